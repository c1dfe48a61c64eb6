"""Two processes append to the same chat, and one of them is killed and starts again."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

from storage.database import Database
from tests.helpers.commands import create
from tests.helpers.people import add_people
from tests.helpers.soundness import assert_sound
from tests.helpers.writing import append_one, running_writer

MESSAGES, CHATS = 60, 2
APPENDER = """
import sys
import trio
from storage.commands import Committed, Duplicate
from storage.database import Database
from tests.helpers.commands import send
from tests.helpers.writing import append_one, running_writer

url, name, sender, messages, chats = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])

async def main():
    async with Database.open(url) as database, running_writer(database) as writer:
        async def talk(chat):
            for number in range(chat - 1, messages, chats):
                command = send(chat, sender, client_msg_id=f"{name}-{number:03}")
                outcome = await append_one(writer, command)
                assert isinstance(outcome, Committed | Duplicate), outcome
                print(command.client_msg_id, outcome.event.seq, flush=True)
        async with trio.open_nursery() as nursery:
            for chat in range(1, chats + 1):
                nursery.start_soon(talk, chat)

sys.stdin.readline()
trio.run(main)
"""


def start(url: str, name: str, sender: int) -> subprocess.Popen[str]:
    arguments = (url, name, str(sender), str(MESSAGES), str(CHATS))
    return subprocess.Popen(
        [sys.executable, "-c", APPENDER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def acked(output: str) -> list[tuple[str, int]]:
    """What it was told, but for a line that the kill cut off."""
    lines = [line.split() for line in output.splitlines(keepends=True) if line.endswith("\n")]
    return [(key, int(seq)) for key, seq in lines]


async def test_two_processes_in_the_same_chats(database: Database, database_url: str) -> None:
    await add_people(database, (1, 2))
    async with running_writer(database) as writer:
        for chat in range(1, CHATS + 1):
            await append_one(writer, create(chat, 1, 2, title=f"{chat}"))
    one, two, two_again = (
        start(database_url, *who) for who in (("one", 1), ("two", 2), ("two", 2))
    )
    go(one)
    go(two)
    # It is killed as soon as it has been told of a few, and comes back with the same keys.
    assert two.stdout is not None
    told = [two.stdout.readline() for _ in range(10)]
    two.kill()
    first_life = acked("".join(told) + two.communicate()[0])
    go(two_again)
    second_life = acked(two_again.communicate()[0])
    others = acked(one.communicate()[0])
    assert one.returncode == 0

    assert len(second_life) == len(others) == MESSAGES
    # What was told before the kill is where it was told to be.
    assert set(first_life) <= set(second_life)
    async with database.connection() as conn:
        rows = await conn.fetch_all("SELECT client_msg_id, seq, chat_id FROM messages")
    assert sorted((key, seq) for key, seq, _ in rows) == sorted(second_life + others)
    assert Counter(chat for _, _, chat in rows) == dict.fromkeys(
        range(1, CHATS + 1), 2 * MESSAGES // CHATS
    )
    await assert_sound(database)
