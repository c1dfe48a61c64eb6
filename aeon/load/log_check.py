"""The run's evidence held against the server's own event log and history, as REST gives them.

Pure: ``read_back`` fetches. It finds what watching clients can not: a message that was acked
and broadcast, and is not in the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aeon.load.bodies import read_body
from aeon.load.ledger import Fact, fact_of
from aeon.load.verdict import Evidence, Outcome, Verdict

Json = Mapping[str, Any]


def facts_of_events(run: str, events: Sequence[Json]) -> list[tuple[int, Fact]]:
    """Reduce a chat's event log to (seq, fact)."""
    facts = []
    for event in events:
        body = read_body(run, (event.get("message") or {}).get("text"))
        facts.append((event["seq"], fact_of(event, body.key if body else None)))
    return facts


def check_log(chat_id: int, log: Sequence[tuple[int, Fact]], evidence: Evidence) -> Verdict:
    """Check one chat's event log, from its first event on, against what clients know."""
    verdict = Verdict()
    where = f"event log of chat {chat_id}"
    seqs = [seq for seq, _ in log]
    if seqs != list(range(1, len(seqs) + 1)):
        verdict.misordered += 1
        verdict.say(f"{where}: seq is not dense, it starts {seqs[:5]} and ends {seqs[-5:]}")
    facts = dict(log)
    for seq, sighting in sorted(evidence.ledger.chats.get(chat_id, {}).items()):
        stored = facts.get(seq)
        if stored is None:
            verdict.missing_in_store += 1
            verdict.say(f"{where}: seq {seq} was delivered and is not there")
        elif not stored.agrees_with(sighting):
            verdict.conflicting += 1
            verdict.say(f"{where}: seq {seq} is {stored}, delivered was {sighting}")
    _check_sends(chat_id, log, evidence, verdict)
    return verdict


def check_cursors(chat_id: int, events: Sequence[Json]) -> Verdict:
    """Check that nobody's read cursor ever goes back."""
    verdict = Verdict()
    cursors: dict[int, int] = {}
    for event in events:
        if event["type"] != "message_read":
            continue
        user_id, read_seq = event["user_id"], event["read_seq"]
        if read_seq < cursors.get(user_id, 0):
            verdict.cursors_back += 1
            verdict.say(
                f"event log of chat {chat_id}: seq {event['seq']} takes the read cursor of person"
                f" {user_id} from {cursors[user_id]} back to {read_seq}"
            )
        cursors[user_id] = read_seq
    return verdict


def _check_sends(
    chat_id: int, log: Sequence[tuple[int, Fact]], evidence: Evidence, verdict: Verdict
) -> None:
    messages = [fact for _, fact in log if fact.kind == "new_message"]
    stored_ids = {fact.subject for fact in messages}
    keys = [fact.key for fact in messages if fact.key is not None]
    stored_keys = set(keys)
    if len(stored_keys) != len(keys):
        verdict.doubled += len(keys) - len(stored_keys)
        verdict.say(f"event log of chat {chat_id}: a message stands there twice")
    for send in evidence.sends:
        if send.chat_id != chat_id:
            continue
        if send.outcome is Outcome.ACKED and send.message_id not in stored_ids:
            verdict.missing_in_store += 1
            verdict.say(f"event log of chat {chat_id}: acked message {send.key} is not there")
        elif send.outcome is Outcome.REFUSED and send.key in stored_keys:
            verdict.refused_but_delivered += 1
            verdict.say(f"event log of chat {chat_id}: refused message {send.key} is there")


def check_history(
    chat_id: int, log: Sequence[tuple[int, Fact]], history: Sequence[Json]
) -> Verdict:
    """Check a chat's history, oldest first, against its event log.

    Every message of the log that was not deleted is there once, in the order of the log, and
    nothing else is.
    """
    verdict = Verdict()
    where = f"history of chat {chat_id}"
    deleted = {fact.subject for _, fact in log if fact.kind == "message_deleted"}
    awaited = [
        fact.subject
        for _, fact in sorted(log)
        if fact.kind == "new_message" and fact.subject not in deleted
    ]
    shown = [message["id"] for message in history]
    if shown == awaited:
        return verdict
    if len(set(shown)) != len(shown):
        verdict.doubled += len(shown) - len(set(shown))
        verdict.say(f"{where}: a message is shown twice")
    missing = set(awaited) - set(shown)
    if missing:
        verdict.missing_in_store += len(missing)
        verdict.say(f"{where}: lacks ids {sorted(missing)[:5]}")
    surplus = set(shown) - set(awaited)
    if surplus:
        verdict.conflicting += len(surplus)
        verdict.say(f"{where}: shows ids {sorted(surplus)[:5]}, which the log does not")
    if not missing and not surplus and len(set(shown)) == len(shown):
        verdict.misordered += 1
        verdict.say(f"{where}: is not in the order of the log")
    return verdict
