"""Sixty sentences in a room of three, twenty for the assistant: who is answered, at what cost.

``python -m tests.openai_link.room.sixty`` writes the table of ``docs/address.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from mixer_core.runtime.room_rules import Address, RoomRules
from openai_link.simulator.brains.rules import Rule
from tests.docs.documents import ROOT
from tests.openai_link.room.world import Scene, Step, World, speak, until, wait

DOCUMENT = ROOT / "docs" / "address.md"
ADA, BEN, CEM = "p-1", "p-2", "p-3"
NAME = "Nova"
SPEECH_MS = 1_200
CONVERSATION = """
a Ada  Nova, what is the weather like tomorrow?
- Ben  Then we could have the picnic after all.
- Cem  If it stays dry.
- Ada  I would not count on it.
- Ben  We can always eat indoors.
a Cem  Hey Nova, put bread on the shopping list.
- Ada  Do we have cheese?
- Ben  There is some left from Sunday.
- Cem  I ate it.
- Ada  All of it?
a Ben  Then add cheese as well, Nova.
- Cem  Sorry about that.
- Ada  It was good, was it not?
- Ben  Nova said that it would rain on Sunday, too.
- Cem  And it did.
a Ada  nova how long does the bread take in the oven
- Ben  My grandmother never looked at the clock.
- Cem  She had the nose for it.
a Ben  Okay, Nova, set a timer for twenty minutes.
- Ada  Who calls the others?
- Cem  I asked Nova yesterday, and it had no number.
- Ben  I have it in my phone.
- Ada  Is the novel still in the car?
- Cem  Which one, the thick one?
- Ben  No, the new one.
a Cem  Well, what, Nova, is the opening time of the library?
- Ada  We should give it back this week.
- Ben  It is over by now, I think.
a Ada  Nowa, extend the loan of my book.
- Cem  Was that the right account?
- Ben  Ask Nova.
- Ada  It will have used mine.
a Ben  Nova, book a table for tomorrow.
a Ben  For six people.
- Cem  Six? I thought that we were five.
- Ada  Your sister is coming as well.
- Cem  Nobody tells me anything.
a Ada  No va, how do I get to the restaurant by bus?
- Ben  Take the tram, it is faster.
- Cem  Not on Saturdays.
a Cem  Is there a tram on Saturdays, Nova?
- Ada  I told you.
- Ben  The assistant is not always right.
- Cem  It is right more often than you are.
a Ada  Nova!
- Ben  Let it think.
a Ada  Nova, who wrote this song?
- Ben  I know that one.
- Cem  Everybody knows it.
a Ben  Turn it up a little, please, Nova.
a Ada  Not so loud, Nova.
a Cem  Louder.
a Ada  Nova, turn it down again.
a Ben  Thank you, Nova.
- Cem  You two are no fun.
a Ben  Could you tell us a joke, Novah?
- Ada  Not that one again.
a Cem  Nova, thanks, that is all for now.
- Ada  Shall we go?
- Ben  Give me two minutes.
"""
"""Whom it is for (a: the assistant), who speaks, and what the transcription makes of it."""
RULES: tuple[Address, ...] = ("always", "open", "addressed")


@dataclass(frozen=True)
class Sentence:
    is_for_it: bool
    who: str
    text: str


def sentences() -> list[Sentence]:
    people = {"Ada": ADA, "Ben": BEN, "Cem": CEM}
    rows = (line.split(maxsplit=2) for line in CONVERSATION.strip().splitlines())
    return [Sentence(mark == "a", people[who], text) for mark, who, text in rows]


@dataclass(frozen=True)
class Outcome:
    """What became of the sentences under one rule."""

    answered: list[Sentence]
    cost_usd: dict[bool, float]
    """Of responses, by whether they answered a sentence for the assistant."""
    written_usd: float
    """Of the transcription."""

    def count(self, is_for_it: bool) -> int:
        return sum(sentence.is_for_it is is_for_it for sentence in self.answered)


def hold(rule: Address) -> Outcome:
    """The conversation, in virtual time with the simulator's server."""
    told = sentences()
    steps: list[Step] = [Step("join", f"{ADA},{BEN},{CEM}"), wait(300)]
    for sentence in told:
        steps += [speak(SPEECH_MS, sentence.who), wait(1_200), until("idle", 20_000), wait(800)]
    scene = Scene(
        "sixty",
        tuple(steps),
        tuple(sentence.text for sentence in told),
        says=RoomRules(address=rule, address_names=(NAME,), address_open_s=2.0),
        rules=(
            Rule(match=re.compile("book a table"), say=("For how many people?",)),
            Rule(on="any", say=("All right, I have done that for you.",)),
        ),
    )
    world = World(scene)
    world.finish(limit_ms=1_000_000)
    return _outcome(world, told)


def _outcome(world: World, told: list[Sentence]) -> Outcome:
    items = sorted(world.journal.items().values(), key=lambda item: item.position)
    spoken = [item for item in items if item.role == "user"]
    assert [item.text for item in spoken] == [sentence.text for sentence in told]
    answered: list[Sentence] = []
    for item, following in pairwise(items):
        if item.role == "user" and following.role == "assistant":
            answered.append(told[spoken.index(item)])
    usage = world.journal.usage()
    replies = [record for record in usage if record.kind == "response"]
    assert len(replies) == len(answered)
    cost = {True: 0.0, False: 0.0}
    for record, sentence in zip(replies, answered, strict=True):
        cost[sentence.is_for_it] += record.cost_usd or 0.0
    written = sum(record.cost_usd or 0.0 for record in usage if record.kind == "transcription")
    return Outcome(answered, cost, written)


def table(outcomes: dict[Address, Outcome]) -> str:
    """As in the document."""
    head = (
        "| rule | answered of 20 for the assistant | answered of 40 between people "
        "| spent on the first | spent on the others | transcription |"
    )
    rows = [head, "|---|---|---|---|---|---|"]
    rows += [
        f"| `{rule}` | {out.count(True)} | {out.count(False)} | {out.cost_usd[True]:.4f} $ "
        f"| {out.cost_usd[False]:.4f} $ | {out.written_usd:.4f} $ |"
        for rule, out in outcomes.items()
    ]
    return "\n".join(rows)


def _between(text: str, made: str) -> str:
    begin, end = "<!-- sixty -->", "<!-- /sixty -->"
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{made}\n{end}{rest.partition(end)[2]}"


def _missed(outcome: Outcome) -> Iterable[Sentence]:
    answered = list(outcome.answered)
    return [s for s in sentences() if s.is_for_it is not (s in answered)]


if __name__ == "__main__":
    all_of_them = {rule: hold(rule) for rule in RULES}
    made = table(all_of_them)
    print(made)
    for rule, outcome in all_of_them.items():
        print(rule, [sentence.text for sentence in _missed(outcome)])
    DOCUMENT.write_text(_between(DOCUMENT.read_text(encoding="utf-8"), made), encoding="utf-8")
