from actors.delivery.fanout import SLICE_SESSIONS, Fanout
from actors.delivery.frame import Frame
from actors.delivery.session import Session
from storage.ids import ChatId, Seq, UserId
from tests.helpers.transports import RecordingTransport

FRAME = Frame(b"x", ChatId(1), Seq(1))


def connect(fanout: Fanout, user_id: int) -> RecordingTransport:
    transport = RecordingTransport()
    fanout.attach(
        Session(
            session_id=f"s{user_id}",
            user_id=UserId(user_id),
            transport=transport,
            on_close=lambda reason: None,
        )
    )
    return transport


async def test_only_the_named_people_receive() -> None:
    fanout = Fanout()
    first, second = connect(fanout, 1), connect(fanout, 2)

    await fanout.deliver({UserId(1), UserId(99)}, [FRAME])

    assert (first.payloads, second.payloads) == ([b"x"], [])


async def test_every_session_of_a_person_receives() -> None:
    fanout = Fanout()
    devices = [connect(fanout, 1), connect(fanout, 1)]

    await fanout.deliver({UserId(1)}, [FRAME])

    assert [device.payloads for device in devices] == [[b"x"], [b"x"]]


async def test_a_typist_is_left_out() -> None:
    fanout = Fanout()
    typist, other = connect(fanout, 1), connect(fanout, 2)

    await fanout.deliver({UserId(1), UserId(2)}, [FRAME], without=UserId(1))

    assert (typist.payloads, other.payloads) == ([], [b"x"])


async def test_more_members_than_connected_walks_the_connected() -> None:
    fanout = Fanout()
    transport = connect(fanout, 3)

    await fanout.deliver([UserId(number) for number in range(1000)], [FRAME])

    assert transport.payloads == [b"x"]


async def test_a_large_audience_is_served_whole() -> None:
    fanout = Fanout()
    transports = [connect(fanout, number) for number in range(SLICE_SESSIONS * 2 + 1)]

    await fanout.deliver(fanout.connected_users(), [FRAME])

    assert all(transport.payloads == [b"x"] for transport in transports)


def test_detaching_twice_is_harmless() -> None:
    fanout = Fanout()
    connect(fanout, 1)
    (session,) = fanout.sessions_of(UserId(1))

    fanout.detach(session)
    fanout.detach(session)

    assert fanout.statistics().sessions == 0
    assert not fanout.is_connected(UserId(1))
