"""The chat actor: takes what waits, has it committed at once, answers, hands it out.

Rules of this file:

- All commands that wait become one append; while it commits, the mailbox fills for the next.
- Answer and hand out only what is committed, in ``seq`` order. Between the commit and the
  hand-out of up to ``fanout.SLICE_SESSIONS`` receivers there is no checkpoint.
- When the outcome of a commit is unknown, the picture in memory is worth nothing: the askers
  are told to try again, and the actor crashes so that it loads afresh.
- Whatever ends an incarnation between a commit and the end of its hand-out, the next one hands
  out the rest, and tells it to other nodes. The commit may still be on its way when that one
  starts, so it looks again for a while.
- Who answers for a chat that is not there goes to sleep at once, unless a commit of unknown
  outcome may still make it: ids that somebody made up keep nothing.
- Order and receivers are the feed's (``actors.chat.feed``); what other nodes committed comes to
  it by ``NewsArrived``, through this same mailbox.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from actors.chat.errors import ChatRefused
from actors.chat.feed import Feed
from actors.chat.ports import (
    ChatMessage,
    ChatPorts,
    LookAgain,
    NewsArrived,
    SetTyping,
    TypingExpired,
)
from actors.cluster.wire import RemotePersonal, RemoteTyping
from actors.delivery.frame import Frame
from actors.runtime import Actor, ActorContext, Delivery
from storage.commands import AnyCommand, Committed, CursorMoved, Outcome, Rejected, RejectReason
from storage.errors import CommitUnknown, StorageError
from storage.events import DurableEvent
from storage.ids import ChatId, Seq, UserId

COMMIT_SECONDS: Final = 20.0
"""Longer than a commit may take whose asker has gone."""
_trail = logging.getLogger(__name__)


class ChatActor(Actor[ChatMessage]):
    """Owner of one chat on this node."""

    def __init__(self, context: ActorContext, ports: ChatPorts) -> None:
        super().__init__(context)
        self._chat_id = ChatId(int(context.address.key))
        self._ports = ports
        self._typing: set[UserId] = set()
        self._looks_again = False
        self._feed = Feed(self._chat_id, ports, on_act=self._typing.discard)

    async def on_start(self) -> None:
        """Load the chat's members; a chat that is not there (yet) is no error."""
        if self._ports.cluster is not None:
            # Left by an incarnation that was stopped: it is in the log by now.
            self._ports.cluster.take(self._chat_id)
        since = self._ports.interrupted.get(self._chat_id)
        if since is None:
            await self._feed.open()
        else:
            await self._make_up(since, waited_seconds=0.0)

    async def receive_batch(self, batch: Sequence[Delivery[ChatMessage]]) -> None:
        """Commit all commands of the batch as one append, then answer and hand out."""
        asked: list[Delivery[ChatMessage]] = []
        commands: list[AnyCommand] = []
        for delivery in batch:
            match delivery.message:
                case SetTyping():
                    await self._set_typing(delivery, delivery.message)
                case RemoteTyping():
                    await self._hear_typing(delivery.message)
                case TypingExpired(user_id):
                    await self._tell_typing(user_id, is_typing=False)
                case NewsArrived():
                    await self._feed.take_news()
                case LookAgain(waited_seconds):
                    with self._looked_after(self._handed_out):
                        await self._make_up(self._handed_out, waited_seconds=waited_seconds)
                case command:
                    asked.append(delivery)
                    commands.append(command)
        if commands:
            await self._commit(asked, commands)
        if self._feed.view is None and not self._looks_again:
            self.context.passivate()

    def describe(self) -> Mapping[str, object]:
        """Numbers only; no title, no text."""
        view = self._feed.view
        if view is None:
            return {"exists": False}
        return {
            "exists": True,
            "type": view.type.value,
            "is_active": view.is_active,
            "last_seq": view.last_seq,
            "members": len(view.roles),
            "typing": len(self._typing),
        }

    async def _commit(
        self, asked: Sequence[Delivery[ChatMessage]], commands: Sequence[AnyCommand]
    ) -> None:
        request_ids = [delivery.trace_id for delivery in asked]
        with self._looked_after(self._handed_out):
            outcomes = await self._append(asked, commands, request_ids)
            events = _events_of(outcomes)
            await self._feed.hand_out(events)
        if not outcomes:
            return
        for delivery, command, outcome in zip(asked, commands, outcomes, strict=True):
            if isinstance(outcome, CursorMoved):
                await self._tell_own_cursor(command.actor_id, outcome)
            _answer(delivery, outcome)
        if _trail.isEnabledFor(logging.DEBUG):
            fields = {"chat_id": self._chat_id, "events": len(events), "request_ids": request_ids}
            _trail.debug("commands_answered", extra=fields)

    @property
    def _handed_out(self) -> Seq:
        return Seq(0 if self._feed.view is None else self._feed.view.last_seq)

    @contextmanager
    def _looked_after(self, since: Seq) -> Iterator[None]:
        """Whatever ends this incarnation in the block, the next one looks for what it left."""
        try:
            yield
        except BaseException:
            self._ports.interrupted[self._chat_id] = since
            # So that there is a next one, as soon as it can load, though nobody else asks for it.
            self.context.self_ref.tell(NewsArrived())
            raise

    async def _make_up(self, since: Seq, *, waited_seconds: float) -> None:
        """Look for what was committed unnoticed, and plan the next look: at 1, 3, 7, 15, 31 s."""
        await self._feed.make_up(since)
        self._ports.interrupted.pop(self._chat_id, None)
        self._looks_again = waited_seconds < COMMIT_SECONDS
        if self._looks_again:
            pause = waited_seconds + 1.0
            self.context.timer("look_again", pause, LookAgain(waited_seconds + pause))

    async def _append(
        self,
        asked: Sequence[Delivery[ChatMessage]],
        commands: Sequence[AnyCommand],
        request_ids: Sequence[str | None],
    ) -> Sequence[Outcome]:
        """Commit; nothing when nothing was written, and the askers were told why."""
        try:
            return await self._ports.appender.append(commands, request_ids)
        except StorageError as error:
            _fail_all(asked, error)
            if isinstance(error, CommitUnknown):
                raise
            # The picture is still true: no reason to restart.
            return ()

    async def _set_typing(self, delivery: Delivery[ChatMessage], notice: SetTyping) -> None:
        view = self._feed.view
        if view is None or notice.user_id not in view.roles:
            delivery.fail(ChatRefused(RejectReason.NOT_A_MEMBER))
            return
        delivery.reply(None)
        typing = RemoteTyping(self._chat_id, notice.user_id, notice.is_typing)
        if self._ports.cluster is not None:
            self._ports.cluster.tell_typing(typing)
        await self._hear_typing(typing)

    async def _hear_typing(self, typing: RemoteTyping) -> None:
        """Tell of a typist here or on another node; each node ends it by a timer of its own."""
        key = ("typing", typing.user_id)
        if typing.is_typing:
            self.context.timer(key, self._ports.typing_seconds, TypingExpired(typing.user_id))
        else:
            self.context.cancel_timer(key)
        await self._tell_typing(typing.user_id, is_typing=typing.is_typing)

    async def _tell_typing(self, user_id: UserId, *, is_typing: bool) -> None:
        view = self._feed.view
        if view is None or user_id not in view.roles:
            self._typing.discard(user_id)  # removed meanwhile, as the others were told
            return
        if not is_typing and user_id not in self._typing:
            return
        if is_typing:
            self._typing.add(user_id)
        else:
            self._typing.discard(user_id)
        payload = self._ports.encoder.typing(self._chat_id, user_id, is_typing=is_typing)
        await self._ports.fanout.deliver(
            view.roles.keys(), [Frame(payload, self._chat_id)], without=user_id
        )

    async def _tell_own_cursor(self, user_id: UserId, moved: CursorMoved) -> None:
        """Keep a person's devices in step about what nobody else is to know."""
        payload = self._ports.encoder.own_cursor(self._chat_id, moved.message_id, moved.read_seq)
        if self._ports.cluster is not None:
            self._ports.cluster.tell_person(RemotePersonal(self._chat_id, user_id, payload))
        await self._ports.fanout.deliver([user_id], [Frame(payload, self._chat_id)])


def _events_of(outcomes: Sequence[Outcome]) -> list[DurableEvent]:
    return [
        event for outcome in outcomes if isinstance(outcome, Committed) for event in outcome.events
    ]


def _answer(delivery: Delivery[ChatMessage], outcome: Outcome) -> None:
    if isinstance(outcome, Rejected):
        delivery.fail(ChatRefused(outcome.reason, outcome.message))
    else:
        delivery.reply(outcome)


def _fail_all(asked: Sequence[Delivery[ChatMessage]], error: StorageError) -> None:
    """Give every asker the fault; each gets it as its own answer."""
    for delivery in asked:
        delivery.fail(error)
