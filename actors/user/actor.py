"""The user actor: decides which connections of a person receive, and tells of their presence.

Rules of this file:

- It carries no frames: chat actors write into sessions through ``Fanout``.
- Greeting and attachment happen without a checkpoint in between, so a connection that has been
  greeted misses nothing.
- It stays awake as long as its person counts as online.
- With other nodes about, a person's chats are looked up before their first connection is
  greeted: events of other nodes are followed from then on.
- The table of sessions outlives a crash of this actor; a new incarnation finds them there.
"""

from __future__ import annotations

from collections.abc import Mapping

from actors.delivery.session import CloseReason
from actors.runtime import Actor, ActorContext, StopReason
from actors.user.ports import Attach, AttachRefused, Detach, GraceOver, UserMessage, UserPorts
from storage.errors import StorageError
from storage.ids import UserId


class UserActor(Actor[UserMessage]):
    """Owner of one person's connections on this node."""

    def __init__(self, context: ActorContext, ports: UserPorts) -> None:
        super().__init__(context)
        self._user_id = UserId(int(context.address.key))
        self._ports = ports
        self._is_online = False

    async def on_start(self) -> None:
        """Take over the connections that an earlier incarnation attached."""
        self._forget_the_gone()
        self._is_online = self._ports.fanout.is_connected(self._user_id)
        if not self._is_online and self._ports.presence.is_here(self._user_id):
            # The earlier incarnation ended within the grace, and its timer with it.
            self._is_online = True
            self.context.timer("grace", self._ports.offline_grace_seconds, GraceOver())
        self._leave_unless_connected()

    async def receive(self, message: UserMessage) -> None:
        """Attach, detach, or notice that the person stayed away."""
        match message:
            case Attach():
                try:
                    await self._enter()
                    self._attach(message)
                finally:
                    self._leave_unless_connected()
            case Detach():
                self._detach(message)
            case GraceOver():
                self._leave_if_gone()

    async def on_stop(self, reason: StopReason) -> None:
        """Stopped by an operator within the grace: nobody would say goodbye later.

        When the whole system stops, other nodes are left to find out: most people come back
        to one of them, and shall not flicker.
        """
        if reason is not StopReason.SHUTDOWN:
            self._forget_the_gone()
            self._leave_unless_connected()
            self._leave_if_gone()

    def may_passivate(self) -> bool:
        """Only once the person has left and the grace is over."""
        return not self._is_online

    def describe(self) -> Mapping[str, object]:
        """Connections by id; nothing of what they say."""
        sessions = self._ports.fanout.sessions_of(self._user_id)
        return {
            "is_online": self._is_online,
            "sessions": [session.id for session in sessions],
        }

    async def _enter(self) -> None:
        """Before the greeting, so that nothing committed after it can pass unnoticed."""
        arrivals = self._ports.arrivals
        if arrivals is None or self._ports.fanout.is_connected(self._user_id):
            return
        try:
            await arrivals.enter(self._user_id)
        except StorageError as error:
            raise AttachRefused from error

    def _leave_unless_connected(self) -> None:
        arrivals = self._ports.arrivals
        if arrivals is not None and not self._ports.fanout.is_connected(self._user_id):
            arrivals.leave(self._user_id)

    def _forget_the_gone(self) -> None:
        """Their goodbye may wait unread, or be lost: with an incarnation, or in a full mailbox."""
        for session in self._ports.fanout.sessions_of(self._user_id):
            if session.is_over:
                self._ports.fanout.detach(session)

    def _attach(self, message: Attach) -> None:
        fanout = self._ports.fanout
        self._forget_the_gone()
        present = fanout.sessions_of(self._user_id)
        for oldest in present[: max(0, len(present) + 1 - self._ports.max_sessions)]:
            fanout.detach(oldest)
            oldest.end(CloseReason.REPLACED)
        if not message.session.send(message.greeting):
            self._wait_for_return()
            return
        fanout.attach(message.session)
        self.context.cancel_timer("grace")
        if not self._is_online:
            self._is_online = True
            self._ports.presence.announce(self._user_id, is_online=True)

    def _detach(self, message: Detach) -> None:
        self._ports.fanout.detach(message.session)
        self._forget_the_gone()
        self._leave_unless_connected()
        self._wait_for_return()

    def _wait_for_return(self) -> None:
        if self._is_online and not self._ports.fanout.is_connected(self._user_id):
            self.context.timer("grace", self._ports.offline_grace_seconds, GraceOver())

    def _leave_if_gone(self) -> None:
        if self._is_online and not self._ports.fanout.is_connected(self._user_id):
            self._is_online = False
            self._ports.presence.announce(self._user_id, is_online=False)
