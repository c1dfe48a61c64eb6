"""The chat actor: takes what waits, has it committed at once, answers, hands it out.

Rules of this file:

- All commands that wait become one append; while it commits, the mailbox fills for the next.
- Answer and hand out only what is committed, in ``seq`` order. Between the commit and the
  hand-out of up to ``fanout.SLICE_SESSIONS`` receivers there is no checkpoint.
- When the outcome of a commit is unknown, the picture in memory is worth nothing: the askers
  are told to try again, and the actor crashes so that it loads afresh.
- Events of a chat that another node committed are read from the log before one's own are
  handed out, so a receiver never sees a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from actors.chat.errors import ChatRefused
from actors.chat.ports import ChatMessage, ChatPorts, SetTyping, TypingExpired
from actors.chat.view import ChatView
from actors.delivery.frame import Frame
from actors.runtime import Actor, ActorContext, Delivery
from storage.commands import AnyCommand, Committed, CursorMoved, Outcome, Rejected, RejectReason
from storage.errors import CommitUnknown, StorageError
from storage.events import DurableEvent, MemberRemoved
from storage.ids import ChatId, Seq, UserId


class ChatActor(Actor[ChatMessage]):
    """Owner of one chat on this node."""

    def __init__(self, context: ActorContext, ports: ChatPorts) -> None:
        super().__init__(context)
        self._chat_id = ChatId(int(context.address.key))
        self._ports = ports
        self._view: ChatView | None = None
        self._typing: set[UserId] = set()

    async def on_start(self) -> None:
        """Load the chat's members; a chat that is not there (yet) is no error."""
        self._view = await self._ports.log.load(self._chat_id)

    async def receive_batch(self, batch: Sequence[Delivery[ChatMessage]]) -> None:
        """Commit all commands of the batch as one append, then answer and hand out."""
        asked: list[Delivery[ChatMessage]] = []
        commands: list[AnyCommand] = []
        for delivery in batch:
            match delivery.message:
                case SetTyping():
                    await self._set_typing(delivery, delivery.message)
                case TypingExpired(user_id):
                    await self._tell_typing(user_id, is_typing=False)
                case command:
                    asked.append(delivery)
                    commands.append(command)
        if commands:
            await self._commit(asked, commands)

    def describe(self) -> Mapping[str, object]:
        """Numbers only; no title, no text."""
        view = self._view
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
        try:
            outcomes = await self._ports.appender.append(commands)
        except CommitUnknown as error:
            _fail_all(asked, error)
            raise
        except StorageError as error:
            # Nothing was written and the picture is still true: no reason to restart.
            _fail_all(asked, error)
            return
        events = [
            event
            for outcome in outcomes
            if isinstance(outcome, Committed)
            for event in outcome.events
        ]
        if events:
            await self._catch_up(until=Seq(events[0].seq - 1))
        await self._hand_out(events)
        for delivery, command, outcome in zip(asked, commands, outcomes, strict=True):
            if isinstance(outcome, CursorMoved):
                await self._tell_own_cursor(command.actor_id, outcome)
            _answer(delivery, outcome)

    async def _catch_up(self, until: Seq) -> None:
        """Hand out what other nodes committed to this chat before our own events."""
        while self._view is not None and self._view.last_seq < until:
            page = await self._ports.log.read_events(self._chat_id, self._view.last_seq)
            missed = [event for event in page.events if event.seq <= until]
            if not missed:
                # The log no longer reaches back (retention): take today's picture.
                self._view = await self._ports.log.load(self._chat_id)
                return
            await self._hand_out(missed)

    async def _hand_out(self, events: Sequence[DurableEvent]) -> None:
        """Apply events and deliver their frames, one write for each run of same receivers."""
        if not events:
            return
        pending: list[tuple[frozenset[UserId], Frame]] = []
        for event in events:
            receivers = self._apply(event)
            self._typing.discard(event.actor_id)
            pending.append((receivers, self._frame(event)))
        # The view hands out one set object until membership changes: identity is enough.
        for _, run in groupby(pending, key=lambda entry: id(entry[0])):
            entries = list(run)
            frames = [frame for _, frame in entries]
            await self._ports.fanout.deliver(entries[0][0], frames)

    def _apply(self, event: DurableEvent) -> frozenset[UserId]:
        """Fold an event in and tell who receives it: members after it, and whom it removed."""
        if self._view is None:
            self._view = ChatView.before(event)
        self._view.apply(event)
        if isinstance(event, MemberRemoved):
            return self._view.receivers | {event.user_id}
        return self._view.receivers

    def _frame(self, event: DurableEvent) -> Frame:
        return Frame(self._ports.encoder.durable(event), event.chat_id, event.seq)

    async def _set_typing(self, delivery: Delivery[ChatMessage], notice: SetTyping) -> None:
        if self._view is None or notice.user_id not in self._view.roles:
            delivery.fail(ChatRefused(RejectReason.NOT_A_MEMBER))
            return
        key = ("typing", notice.user_id)
        if notice.is_typing:
            self.context.timer(key, self._ports.typing_seconds, TypingExpired(notice.user_id))
        else:
            self.context.cancel_timer(key)
        delivery.reply(None)
        await self._tell_typing(notice.user_id, is_typing=notice.is_typing)

    async def _tell_typing(self, user_id: UserId, *, is_typing: bool) -> None:
        if self._view is None or user_id not in self._view.roles:
            return
        if not is_typing and user_id not in self._typing:
            return
        if is_typing:
            self._typing.add(user_id)
        else:
            self._typing.discard(user_id)
        payload = self._ports.encoder.typing(self._chat_id, user_id, is_typing=is_typing)
        await self._ports.fanout.deliver(
            self._view.roles.keys(), [Frame(payload, self._chat_id)], without=user_id
        )

    async def _tell_own_cursor(self, user_id: UserId, moved: CursorMoved) -> None:
        """Keep a person's devices in step about what nobody else is to know."""
        payload = self._ports.encoder.own_cursor(self._chat_id, moved.message_id, moved.read_seq)
        await self._ports.fanout.deliver([user_id], [Frame(payload, self._chat_id)])


def _answer(delivery: Delivery[ChatMessage], outcome: Outcome) -> None:
    if isinstance(outcome, Rejected):
        delivery.fail(ChatRefused(outcome.reason, outcome.message))
    else:
        delivery.reply(outcome)


def _fail_all(asked: Sequence[Delivery[ChatMessage]], error: StorageError) -> None:
    """Give every asker the fault; each gets it as its own answer."""
    for delivery in asked:
        delivery.fail(error)
