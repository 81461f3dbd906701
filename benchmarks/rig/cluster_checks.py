"""What was seen of a cluster from outside, judged. Sans-I/O.

Times are monotonic, in ns. A *session* is what the Realtime server has noted of one
(``watched_upstream.Book``), with the room's name for ``room``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

from mixer_core.runtime.units import MS_NS, S_NS

AT_LENGTH, LONG_MS = "at length", 4_000
"""A question with these words is answered for so long."""

Session = Mapping[str, Any]
Outcome = Mapping[str, Any]


def by_room(sessions: Iterable[Session]) -> dict[str, list[Session]]:
    """Sessions of each room, in the order in which they were opened."""
    rooms: dict[str, list[Session]] = {}
    for session in sorted(sessions, key=lambda one: one["opened_ns"]):
        rooms.setdefault(session["room"], []).append(session)
    return rooms


def held_together_ms(first: Session, second: Session) -> float:
    """How long two sessions were both alive: each heard its gateway, one before and one after.

    A server cannot tell a gateway that is dead from one that is silent, so a session counts from
    the first thing that its gateway sent to the last.
    """
    if not (first["first_ns"] and second["first_ns"]):
        return 0.0
    begin = max(first["first_ns"], second["first_ns"])
    end = min(first["last_ns"], second["last_ns"])
    return float(max(0, end - begin) / MS_NS)


def both_answer_ms(first: Session, second: Session) -> float:
    """How long two sessions were answering at once, or took turns: two assistants.

    From the first answer of the one that came later to the last one of the other.
    """
    spans = [[(a[1], a[2] or a[1]) for a in session["answers"]] for session in (first, second)]
    if not all(spans):
        return 0.0
    begin = max(min(span)[0] for span in spans)
    end = min(max(until for _, until in span) for span in spans)
    return float(max(0, end - begin) / MS_NS)


def most_together(sessions: Sequence[Session]) -> tuple[int, float]:
    """The most sessions of a room that were alive at one instant, and how long two were, ms."""
    edges: list[tuple[int, int]] = []
    for session in sessions:
        if session["first_ns"] and session["last_ns"] > session["first_ns"]:
            edges += [(session["first_ns"], 1), (session["last_ns"], -1)]
    alive, most, since_ns, together_ns = 0, 0, 0, 0
    for at_ns, step in sorted(edges):
        if alive > 1:
            together_ns += at_ns - since_ns
        alive, since_ns = alive + step, at_ns
        most = max(most, alive)
    return most, together_ns / MS_NS


def two_assistants_ms(sessions: Sequence[Session]) -> float:
    """The longest time that two sessions of one room were both answering."""
    return max((both_answer_ms(*pair) for pair in combinations(sessions, 2)), default=0.0)


def talks_again_s(people: Iterable[Outcome], never_s: float) -> dict[str, float]:
    """Room → seconds until the last of its people had heard an answer; ``never_s``: not at all."""
    rooms: dict[str, float] = {}
    for one in people:
        took_ms = one["answered_ms"]
        took_s = never_s if took_ms is None else took_ms / 1_000
        rooms[one["room"]] = max(rooms.get(one["room"], 0.0), took_s)
    return rooms


Lines = Mapping[str, str | None]
"""Item → text of one conversation; None: the line was cut before its first word."""


def words_lost(told: Iterable[tuple[str, str, str]], kept: Mapping[str, Lines]) -> list[str]:
    """Final lines that people were told and that their room no longer knows.

    Args:
        told: room, item and text of every final line that anybody was shown, oldest first: of an
            item the last text counts.
        kept: room → its lines, as the gateway tells the conversation now. A line that was cut
            where people stopped to listen is kept, too.
    """
    newest = {(room, item): text for room, item, text in told}
    lost = []
    for (room, item), text in newest.items():
        lines = kept.get(room, {})
        is_kept = item in lines and _is_kept(text, lines[item])
        if not is_kept and text not in lines.values():
            lost.append(f"{room}: {text}")
    return lost


def _is_kept(text: str, line: str | None) -> bool:
    return line is None or line.startswith(text) or (bool(line) and text.startswith(line))


def asked_twice(kept: Mapping[str, Lines]) -> list[str]:
    """Lines of people that a conversation has more than once: questions are all different."""
    twice = []
    for room, lines in kept.items():
        texts = [text for text in lines.values() if text and not text.startswith("[")]
        twice += [f"{room}: {text}" for text in sorted(set(texts)) if texts.count(text) > 1]
    return twice


def money(
    sessions: Iterable[Session], rows: Iterable[tuple[str, float]], bucket_usd: float, cost: Any
) -> dict[str, float]:
    """What answers cost by the server's book, and by the cluster's, in dollars.

    Args:
        sessions: with their answers.
        rows: response and dollars of every row of usage in any node's journal. The same response
            stands in several: each node that has the room keeps the whole conversation.
        bucket_usd: sum of what the nodes say they have spent.
        cost: (usage, model) → dollars.

    Returns:
        ``server``: all answers that were finished; ``journals``: each response once; ``bucket``;
        ``missing``: answers that no journal has (nobody was there to hear of their end);
        ``double``: dollars that the bucket has above the journals.
    """
    answers = {
        answer[0]: float(cost(answer[3], session["model"]) or 0.0)
        for session in sessions
        for answer in session["answers"]
        if answer[3] is not None
    }
    known = dict(rows)
    return {
        "server": sum(answers.values()),
        "journals": sum(known.values()),
        "bucket": bucket_usd,
        "missing": sum(usd for key, usd in answers.items() if key not in known),
        "double": max(0.0, bucket_usd - sum(known.values())),
    }


def balance(owners: Mapping[str, str], nodes: Sequence[str]) -> dict[str, float]:
    """Rooms of each node, and the fullest one's share of the mean."""
    counts = {node: sum(owner == node for owner in owners.values()) for node in nodes}
    mean = sum(counts.values()) / len(nodes)
    return {**counts, "fullest_by_mean": max(counts.values()) / mean if mean else 0.0}


def longest_without_s(times_ns: Sequence[int], from_ns: int, until_ns: int) -> float:
    """The longest time without any of them between these bounds."""
    inside = [at for at in times_ns if from_ns <= at <= until_ns]
    return max(b - a for a, b in pairwise([from_ns, *inside, until_ns])) / S_NS


def longest_gap_s(times_ns: Sequence[int], from_ns: int, until_ns: int) -> float:
    """The longest time without a frame between the first and the last one within these bounds."""
    inside = [at for at in times_ns if from_ns <= at <= until_ns]
    gaps = [after - before for before, after in pairwise(inside)]
    return max(gaps, default=0) / S_NS
