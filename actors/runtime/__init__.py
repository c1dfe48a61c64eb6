"""Actors on Trio: supervised, addressed, bounded. Knows nothing of what they are for.

Start with the README beside this file; `ActorSystem`, `Actor` and `Props` are the way in.
"""

from actors.runtime.actor import Actor, ActorFactory
from actors.runtime.address import Address, Key
from actors.runtime.call import current_trace_id
from actors.runtime.context import ActorContext
from actors.runtime.dead_letters import DeadLetter, DeadLetterReason
from actors.runtime.delivery import Delivery
from actors.runtime.errors import (
    ActorError,
    ActorFailed,
    ActorStopped,
    AskCycle,
    AskTimeout,
    MailboxFull,
    Refusal,
    UnknownKind,
)
from actors.runtime.load import KindLoad
from actors.runtime.mailbox import Mailbox, OverflowPolicy
from actors.runtime.operable import KindBranch, SystemTree, TimerStatus
from actors.runtime.props import Directive, Props
from actors.runtime.recorder import FlightOutcome, FlightRecord
from actors.runtime.ref import ActorRef
from actors.runtime.restart import RestartPolicy
from actors.runtime.service import Service
from actors.runtime.signals import StopReason, Terminated
from actors.runtime.stack import StackFrame
from actors.runtime.status import ActorStatus, KindStatus, ServiceStatus, SystemSnapshot
from actors.runtime.supervisor import Restart, Strategy, Supervisor
from actors.runtime.survey import Survey, SurveyPage
from actors.runtime.system import ActorSystem, DrainReport, Escalated

__all__ = [
    "Actor",
    "ActorContext",
    "ActorError",
    "ActorFactory",
    "ActorFailed",
    "ActorRef",
    "ActorStatus",
    "ActorStopped",
    "ActorSystem",
    "Address",
    "AskCycle",
    "AskTimeout",
    "DeadLetter",
    "DeadLetterReason",
    "Delivery",
    "Directive",
    "DrainReport",
    "Escalated",
    "FlightOutcome",
    "FlightRecord",
    "Key",
    "KindBranch",
    "KindLoad",
    "KindStatus",
    "Mailbox",
    "MailboxFull",
    "OverflowPolicy",
    "Props",
    "Refusal",
    "Restart",
    "RestartPolicy",
    "Service",
    "ServiceStatus",
    "StackFrame",
    "StopReason",
    "Strategy",
    "Supervisor",
    "Survey",
    "SurveyPage",
    "SystemSnapshot",
    "SystemTree",
    "Terminated",
    "TimerStatus",
    "UnknownKind",
    "current_trace_id",
]
