"""A person's realtime client: connects, resumes, commands, and notes all that it receives.

It behaves as PROTOCOL.md asks of clients: after a lost connection it comes back with backoff
and resumes from the last ``seq`` it saw of each chat; a message whose answer it did not get it
sends again under the same ``client_msg_id``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
import trio

from aeon.load.bodies import client_msg_id, write_body
from aeon.load.crew import Crew, now_ns, short_reason
from aeon.load.faults import Refused, ServerGone
from aeon.load.plan import PersonPlan
from aeon.load.verdict import Outcome, Send
from aeon.load.websocket import ABNORMAL, HandshakeFailed, WebSocket, open_websocket

GREETING_SECONDS: Final = 15.0
RESUME_SECONDS: Final = 60.0
CLOSE_SECONDS: Final = 10.0
MAX_TRIES: Final = 20
_FIRST_BACKOFF_SECONDS: Final = 0.1
_MAX_BACKOFF_SECONDS: Final = 2.0
_RETRY_AFTER_MS: Final = 200
_CREDENTIALS_REFUSED: Final = 4001

Reply = dict[str, Any]


@dataclass(slots=True)
class _Message:
    """A message on its way."""

    key: int
    chat_id: int
    due_ns: int
    is_held: bool = False
    """Said while this person was away on purpose: it is due when they are back."""
    tries: int = 0


class _Disconnected(Exception):
    """The connection ended before it was of use."""


class Client:
    """One person, one connection at a time."""

    def __init__(self, crew: Crew, person: PersonPlan) -> None:
        self._crew = crew
        self._person = person
        self._socket: WebSocket | None = None
        self._messages: dict[str, _Message] = {}
        self._commands: dict[str, Callable[[Reply], None]] = {}
        self._command_count = 0
        self._greeted = trio.Event()
        self._closed = trio.Event()
        self._online = trio.Event()
        self._close_code = ABNORMAL
        self._was_connected = False
        self._is_catching_up = False
        self._is_leaving = False
        self._is_away = False
        self._away_seconds = 0.0
        self._node = person.user_id
        self.on_message: Callable[[int, int, int], None] | None = None
        """Called with (chat, message id, key) when an own message was acked."""
        self.streams = {
            chat_id: crew.stream_of(person.user_id, chat_id)
            for chat_id in crew.chats_of.get(person.user_id, [])
        }

    @property
    def user_id(self) -> int:
        """Who it is."""
        return self._person.user_id

    @property
    def is_online(self) -> bool:
        """Whether commands would leave now."""
        return self._socket is not None and self._socket.is_open and not self._is_catching_up

    @property
    def unanswered(self) -> int:
        """How many messages wait for their answer."""
        return len(self._messages)

    @property
    def is_settled(self) -> bool:
        """Whether it is connected, has caught up and waits for no answer."""
        return self.is_online and not self._messages and not self._commands

    # What it is told to do

    def say(self, chat_id: int, due_ns: int) -> None:
        """Send a message; while offline it is kept until the connection is back."""
        message = _Message(self._crew.next_key(), chat_id, due_ns, is_held=self._is_away)
        self._messages[f"m{message.key}"] = message
        self._crew.count("sent")
        self._crew.time("late", due_ns)
        if self.is_online:
            self._send_message(message)

    def command(
        self, frame_type: str, on_reply: Callable[[Reply], None] | None = None, **fields: object
    ) -> None:
        """Send any other command; its reply is lost with the connection."""
        self._command_count += 1
        reply_id = f"c{self._command_count}"
        self._commands[reply_id] = on_reply or self._count_reply
        self._write({"type": frame_type, "id": reply_id, **fields})

    def drop(self, *, away_seconds: float = 0.0) -> None:
        """Lose the connection without a word; ``run`` then connects again."""
        if self._socket is not None and self._socket.is_open:
            self._is_away = True
            self._away_seconds = away_seconds
            self._abort()

    async def hang_up(self, *, away_seconds: float = 0.0) -> None:
        """Close the connection in order; ``run`` then connects again."""
        if self._socket is None or not self._socket.is_open:
            return
        self._is_away = self._is_leaving = True
        self._away_seconds = away_seconds
        self._socket.send_close()
        with trio.move_on_after(CLOSE_SECONDS) as scope:
            await self._closed.wait()
        if scope.cancelled_caught:
            self._crew.count("error.close_not_answered")
            self.drop(away_seconds=away_seconds)

    def give_up(self) -> None:
        """Note every message without an answer as unknown; call it at the very end."""
        for message in self._messages.values():
            self._crew.note_send(Send(message.key, message.chat_id, Outcome.UNKNOWN))
        self._messages.clear()

    # Its life

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Connect, and again whenever the connection ends, until the run is over.

        ``task_status`` is told of the first connection.

        Raises:
            ServerGone: no connection for as long as the plan's patience.
            Refused: the server does not accept who this is.
        """
        while True:
            await self._connect()
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await self._closed.wait()
            if self._crew.is_over:
                return
            if self._away_seconds:
                await trio.sleep(self._away_seconds)

    async def _connect(self) -> None:
        """Connect, and catch up if it was connected before.

        Tries again with backoff; raises as ``run`` does.
        """
        failing_since = trio.current_time()
        backoff = _FIRST_BACKOFF_SECONDS
        while True:
            try:
                await self._connect_once()
                return
            except (OSError, HandshakeFailed, _Disconnected) as error:
                if not self._is_leaving:
                    self._crew.count(f"error.connect: {short_reason(error)}")
                self._abort()
                self._node += 1
                waited = trio.current_time() - failing_since
                if waited >= self._crew.plan.patience_seconds:
                    raise ServerGone(
                        f"Nothing at {self._crew.where} has let anybody in for"
                        f" {waited:.0f} s: {error}"
                    ) from None
            await trio.sleep(backoff)
            backoff = min(backoff * 2, _MAX_BACKOFF_SECONDS)

    async def wait_online(self) -> None:
        """Wait until it is connected and has caught up."""
        await self._online.wait()

    async def _connect_once(self) -> None:
        crew, started_ns = self._crew, now_ns()
        self._greeted, self._closed = trio.Event(), trio.Event()
        self._is_leaving = False
        self._away_seconds = 0.0
        self._is_catching_up = True
        self._socket = await open_websocket(
            crew.endpoints[self._node % len(crew.endpoints)],
            crew.poller,
            self,
            path="/ws?resume=1" if self._was_connected else "/ws",
            on_traffic=lambda size: crew.count("bytes_in", size),
        )
        self._write({"type": "auth", "init_data": self._person.init_data})
        await self._wait_or_closed(self._greeted, GREETING_SECONDS, "greeting")
        crew.time("handshake", started_ns)
        crew.count("connected")
        if self._was_connected:
            await self._catch_up()
        self._was_connected = True
        self._is_catching_up = False
        self._is_away = False
        self._online.set()
        for message in list(self._messages.values()):
            self._send_message(message)

    async def _catch_up(self) -> None:
        started_ns = now_ns()
        answered = trio.Event()
        replies: list[Reply] = []

        def take(reply: Reply) -> None:
            replies.append(reply)
            answered.set()

        cursors = {str(chat_id): stream.newest for chat_id, stream in self.streams.items()}
        self.command("resume", take, cursors=cursors)
        await self._wait_or_closed(answered, RESUME_SECONDS, "answer to resume")
        reply = replies[0]
        if reply["type"] == "error":
            self._crew.count(f"error.{reply['code']}")
            raise _Disconnected(f"resume: {reply['code']}")
        self._crew.time("resume", started_ns)
        self._crew.count("resumed")
        for chat_id in reply.get("resync", ()):
            await self._reload(chat_id)

    async def _reload(self, chat_id: int) -> None:
        """Start a chat afresh, as ``resync`` asks; what was missed is not verified live."""
        stream = self.streams.get(chat_id)
        if stream is None:
            return
        self._crew.count("resyncs")
        reply = await self._crew.http.request(
            "GET",
            f"/api/v1/chats/{chat_id}/events?after=0&limit=1",
            headers={"X-Telegram-Init-Data": self._person.init_data},
        )
        body = reply.json()
        if reply.status == 200 and isinstance(body, dict):
            stream.jump(int(body["last_seq"]))

    async def _wait_or_closed(self, event: trio.Event, seconds: float, what: str) -> None:
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:

                async def stop_when_closed() -> None:
                    await self._closed.wait()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(stop_when_closed)
                await event.wait()
                nursery.cancel_scope.cancel()
        if event.is_set():
            return
        if self._closed.is_set():
            if self._close_code == _CREDENTIALS_REFUSED:
                raise Refused("The server does not accept these users: is it the right bot token?")
            raise _Disconnected(f"closed with {self._close_code}")
        raise _Disconnected(f"no {what} in {seconds:g} s")

    def _abort(self) -> None:
        self._is_leaving = True
        if self._socket is not None and self._socket.is_open:
            self._socket.abort()

    # What it sends

    def _send_message(self, message: _Message) -> None:
        plan = self._crew.plan
        message.tries += 1
        if message.tries > 1:
            self._crew.count("sent_again")
        elif message.is_held:
            message.due_ns = now_ns()
        self._write(
            {
                "type": "send_message",
                "id": f"m{message.key}",
                "chat_id": message.chat_id,
                "text": write_body(plan.run, message.key, message.due_ns, plan.text_length),
                "client_msg_id": client_msg_id(plan.run, message.key),
            }
        )

    def _write(self, frame: dict[str, object]) -> None:
        if self._socket is not None:
            self._socket.send(orjson.dumps(frame))

    async def _send_later(self, message: _Message, seconds: float) -> None:
        await trio.sleep(seconds)
        if f"m{message.key}" in self._messages and self.is_online:
            self._send_message(message)

    # What it receives

    def on_text(self, payload: bytes) -> None:
        """Take a frame."""
        frame = self._crew.read_frame(payload)
        if isinstance(frame, dict):
            self._take_other(frame)
            return
        chat_id, seq, due_ns = frame
        stream = self.streams.get(chat_id)
        if stream is None:
            self._crew.count("strangers")
            return
        self._crew.count("delivered")
        stream.note(seq)
        if due_ns is not None:
            self._crew.time("catch_up" if self._is_catching_up else "delivery", due_ns)

    def on_closed(self, code: int) -> None:
        """Note the end of the connection."""
        self._close_code = code
        if not self._is_leaving and not self._crew.is_over:
            self._crew.count(f"close.{code}")
        self._commands.clear()
        self._online = trio.Event()
        self._closed.set()

    def _take_other(self, frame: Reply) -> None:
        reply_id = frame.get("id")
        if frame["type"] == "connection_established":
            if frame["user_id"] != self.user_id:
                self._crew.count("error.greeted_as_somebody_else")
            self._greeted.set()
        elif isinstance(reply_id, str) and reply_id in self._messages:
            self._take_answer(reply_id, frame)
        elif isinstance(reply_id, str) and reply_id in self._commands:
            self._commands.pop(reply_id)(frame)
        elif frame["type"] == "error":
            self._crew.count(f"error.{frame['code']}")
        else:
            self._crew.count(f"transient.{frame['type']}")

    def _take_answer(self, reply_id: str, frame: Reply) -> None:
        crew, message = self._crew, self._messages[reply_id]
        if frame["type"] == "ack":
            del self._messages[reply_id]
            crew.time("ack", message.due_ns)
            crew.count("acked")
            if frame["duplicate"]:
                crew.count("answered_as_duplicate")
            message_id = frame["message"]["id"]
            crew.note_seq(message.chat_id, frame["seq"])
            crew.note_send(
                Send(message.key, message.chat_id, Outcome.ACKED, frame["seq"], message_id)
            )
            if self.on_message is not None:
                self.on_message(message.chat_id, message_id, message.key)
            return
        crew.count(f"error.{frame['code']}")
        if frame["retryable"] and message.tries < MAX_TRIES:
            seconds = frame.get("retry_after_ms", _RETRY_AFTER_MS) / 1000
            crew.nursery.start_soon(self._send_later, message, seconds)
            return
        del self._messages[reply_id]
        # An earlier try may have got through.
        outcome = Outcome.UNKNOWN if message.tries > 1 or frame["retryable"] else Outcome.REFUSED
        crew.note_send(Send(message.key, message.chat_id, outcome))

    def _count_reply(self, frame: Reply) -> None:
        if frame["type"] == "error":
            self._crew.count(f"error.{frame['code']}")
        else:
            self._crew.count("other_acked")
