import pytest

from actors.delivery.frame import Frame
from actors.delivery.session import CloseReason, Session
from storage.ids import ChatId, Seq, UserId
from tests.helpers.transports import RecordingTransport

CHAT = ChatId(5)


def frame(seq: int | None, chat: ChatId = CHAT) -> Frame:
    payload = f"{chat}:{seq}".encode()
    return Frame(payload, chat, None if seq is None else Seq(seq))


def make(*, room: int | None = None, hold_all: bool = False) -> tuple[Session, RecordingTransport]:
    transport = RecordingTransport(room=room)
    ended: list[CloseReason] = []
    session = Session(
        session_id="s1",
        user_id=UserId(1),
        transport=transport,
        on_close=ended.append,
        hold_all=hold_all,
    )
    return session, transport


def test_frames_of_one_delivery_are_one_write() -> None:
    session, transport = make()

    session.deliver([frame(1), frame(2), frame(3)])

    assert transport.writes == [[b"5:1", b"5:2", b"5:3"]]


def test_what_was_sent_is_not_sent_again() -> None:
    session, transport = make()

    session.deliver([frame(4), frame(5)])
    session.deliver([frame(5), frame(6)])

    assert transport.payloads == [b"5:4", b"5:5", b"5:6"]


def test_a_held_chat_is_only_noted() -> None:
    session, transport = make()
    session.hold(CHAT, "replay")

    session.deliver([frame(7), frame(1, ChatId(6))])

    assert transport.payloads == [b"6:1"]
    assert session.latest_seen(CHAT) == 7


def test_a_chat_stays_held_until_every_holder_released_it() -> None:
    session, transport = make()
    session.hold(CHAT, "replay")
    session.hold(CHAT, "client")

    session.release(CHAT, "replay")
    session.deliver([frame(1)])
    session.release(CHAT, "client")
    session.deliver([frame(2)])

    assert transport.payloads == [b"5:2"]


def test_nothing_durable_before_the_first_resume() -> None:
    session, transport = make(hold_all=True)

    session.deliver([frame(1), frame(None)])

    assert transport.payloads == []
    assert transport.transient == [b"5:None"]


def test_replay_leaves_out_what_went_live_before() -> None:
    session, transport = make()
    session.deliver([frame(3), frame(4)])

    assert session.replay([frame(seq) for seq in range(1, 6)])

    assert transport.payloads == [b"5:3", b"5:4", b"5:1", b"5:2", b"5:5"]
    assert session.first_gap_after(CHAT, 0) == 5


def test_what_the_client_had_when_it_resumed_is_not_sent_again() -> None:
    session, transport = make()
    session.go_on_after(CHAT, 5)

    session.deliver([frame(4), frame(5), frame(6)])

    assert transport.payloads == [b"5:6"]


def test_a_client_may_ask_again_for_what_it_had() -> None:
    session, transport = make()
    session.go_on_after(CHAT, 5)

    session.replay([frame(4), frame(5)])

    assert transport.payloads == [b"5:4", b"5:5"]


def test_a_durable_frame_that_does_not_fit_ends_the_session() -> None:
    transport = RecordingTransport(room=1)
    ended: list[CloseReason] = []
    session = Session(
        session_id="s1", user_id=UserId(1), transport=transport, on_close=ended.append
    )

    session.deliver([frame(1), frame(2)])
    session.deliver([frame(3)])

    assert transport.payloads == []
    assert ended == [CloseReason.TOO_SLOW]


def test_a_transient_frame_that_does_not_fit_is_dropped_and_counted() -> None:
    session, _ = make(room=0)

    session.deliver([frame(None)])

    assert session.closing is None
    assert session.statistics().transient_dropped == 1


@pytest.mark.parametrize("order", [[1, 2, 3], [3, 1, 2], [2, 3, 1]])
def test_sent_ranges_merge_in_any_order(order: list[int]) -> None:
    session, _ = make()

    for seq in order:
        session.replay([frame(seq)])

    assert session.first_gap_after(CHAT, 0) == 3
