"""Conversations with hostile and forgetful servers, by the thousand, in virtual time.

    python -m tests.openai_link.room.hostile --count 10000 --seed 1

Each seed makes a scene, a server and rules (``hostility``). While the server is hostile no state
may last beyond its limit. Then it behaves: within a bounded time the room talks again, whatever was
asked has an answer or a notice, no tool has run twice, and the money is counted once.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.media.quiet import DECODED_SILENCE_PEAK, is_quiet
from openai_link.realtime.bounds import MAX_ID_BYTES
from tests.openai_link.room import checks
from tests.openai_link.room.hostility import Hostility, Rule, random_rules
from tests.openai_link.room.scenes import ANSWERED, PRESS, RELEASE, SCENES
from tests.openai_link.room.websocket_world import WebsocketWorld
from tests.openai_link.room.world import PARTICIPANT, Scene, Step, World, say, speak, until, wait

Json = dict[str, Any]
THINKS_NS = 80 * S_NS
"""Longest time in which the room is shown to be thought about, without any other state."""
SILENT_NS = 40 * S_NS
"""Longest time in which a reply without sound, or a turn without speech, is shown."""
CONNECTS_NS = 75 * S_NS
"""Longest time without a session in which nobody is told that there is none."""
NOTICED_MS = 20_000
"""Longest time in which it is not noticed that a server hears nothing."""
RECOVERS_MS = 240_000
"""Longest time from the end of the hostility to a room in which nothing is open."""
TURNS = tuple(f"Spoken turn {number}." for number in range(1, 40))


class HostileWorld(World):
    """A world with hostility between the simulator's engine and the room's, and watches."""

    def __init__(self, scene: Scene, rules: tuple[Rule, ...] = (), seed: int = 0) -> None:
        self.hostility = Hostility(rules, seed)
        self.asked: list[int] = []
        """When something was typed or said while the room had a session."""
        self.intact: dict[str, Json] = {}
        """What responses cost, as it was told unharmed."""
        self._since_ns = 0
        """Since when the assistant's state is what it is."""
        self._state = ""
        self._sound_ns = 0
        self._up_ns = 0
        self._busy_ns = 0
        """When a server last had anything to say, whether or not it was delivered."""
        super().__init__(scene)

    def _sends(self, session: int, event: Json) -> None:
        self._busy_ns = self.now_ns
        if event["type"] == "input_audio_buffer.committed":
            self.turns += 1
        for sent in self.hostility.passes(session, event):
            if sent.delay_ns:
                self.schedule(sent.delay_ns, "_late", session, sent.event)
            else:
                self.inputs.append((session, sent.event))

    def _late(self, session: int, event: Json) -> None:
        if session in self.sessions and not self.hostility.is_cut_off(session):
            self.inputs.append((session, event))

    def browser(self, **event: Any) -> None:
        if event.get("type") == "say" and self.state.get("upstream") == "ready":
            self.asked.append(self.now_ns)
        super().browser(**event)

    def show(self, text: str) -> None:
        if self.state.get("upstream") == "ready" and self.state["images"]:
            self.asked.append(self.now_ns)
        super().show(text)

    def _begin(self, step: Step) -> None:
        if step.do == "speak" and not self._answers_speech:
            self.asked.clear()  # Who speaks over an answer waits for it no more.
        elif step.do == "speak" and step.ms >= 400 and self._notices_deafness:
            self.asked.append(self.now_ns)
        super()._begin(step)

    @property
    def _notices_deafness(self) -> bool:
        """Whether a server that hears nothing can be told from one that takes speech for noise."""
        answers = self.engine._sessions._habits.answers_probes is not False
        return answers and self.scene.session_limit_s > 60

    @property
    def _answers_speech(self) -> bool:
        return self.settings.create_response and self.settings.turn_detection != "push_to_talk"

    def _note(self, event: Json) -> None:
        response = event.get("response")
        if event.get("type") != "response.done" or not isinstance(response, dict):
            return
        identity, usage = response.get("id"), response.get("usage")
        is_named = isinstance(identity, str) and 0 < len(identity) <= MAX_ID_BYTES
        if is_named and isinstance(usage, dict) and usage:  # No key is longer than that.
            if identity not in self.intact:
                self.responses.append(identity)
            self.intact.setdefault(identity, usage)

    def _speak(self, session: int, pcm: bytes) -> None:
        if any(pcm):
            self._busy_ns = self.now_ns
        super()._speak(session, pcm)

    def _skip(self, end_ns: int) -> None:
        """A server that says what nobody hears needs its time, too."""
        if self.now_ns >= self._busy_ns + S_NS:
            super()._skip(end_ns)

    def _play(self, stamp_ns: int, pcm: bytes) -> None:
        if not is_quiet(pcm, DECODED_SILENCE_PEAK):
            self._sound_ns = self.now_ns
        super()._play(stamp_ns, pcm)

    def step(self) -> None:
        super().step()
        self._watch()

    def settle(self, limit_ms: int) -> None:
        """Until the engine waits for nothing any more."""
        deadline_ns = self.now_ns + limit_ms * MS_NS
        self.finish(limit_ms)
        while self.waits:
            assert self.now_ns < deadline_ns, (self.scene.name, self.state, self.logs)
            self.run(500)
            self.finish(limit_ms)

    @property
    def waits(self) -> bool:
        """Something was asked of the server, and nothing has come of it."""
        begun = {event["item"] for event in self.of("caption")}
        if begun != set(self.final_captions()):
            return True
        sessions = self.engine._sessions.all
        return any(not session.is_settled or session.awaits_words for session in sessions)

    def ask(self, text: str) -> None:
        """Type a question and wait for its answer; the session may turn out to be dead."""
        self.browser(type="say", text=text)
        self.run(500)
        self.settle(RECOVERS_MS)
        while self.now_ns < self._sound_ns + S_NS:  # It may be heard without a word about it.
            self.step()

    def _watch(self) -> None:
        """No state lasts."""
        state, upstream = self.assistant, self.state.get("upstream")
        if upstream in ("ready", "failed"):
            self._up_ns = self.now_ns
        assert self.now_ns - self._up_ns < CONNECTS_NS, f"{upstream} lasts"
        if state != self._state or upstream != "ready":
            self._state, self._since_ns = state, self.now_ns
        lasts_ns = self.now_ns - self._since_ns
        quiet_ns = self.now_ns - max(self._since_ns, self._sound_ns, self.loud_until_ns)
        if state == "thinking":
            assert lasts_ns < THINKS_NS, "thinking lasts"
        if self.engine._sessions._pressed:
            self._since_ns = self.now_ns
        if state in ("speaking", "listening"):
            assert quiet_ns < SILENT_NS, f"{state} lasts"


class HostileWebsocketWorld(HostileWorld, WebsocketWorld):
    """The same over WebSockets."""

    def __init__(self, scene: Scene, rules: tuple[Rule, ...] = (), seed: int = 0) -> None:
        self._players = {}
        HostileWorld.__init__(self, scene, rules, seed)


# -- conversations --------------------------------------------------------------------------------


def random_scene(source: random.Random) -> Scene:
    """A scene of the suite, or one made up."""
    if source.random() < 0.4:
        return source.choice(SCENES)
    mode = source.choice(("server_vad", "server_vad", "semantic_vad", "push_to_talk"))
    settings: Json = {"turn_detection": mode, "tool_timeout_ms": 2_000}
    settings |= source.choice(({}, {}, {"greet": True}, {"output": "text"}))
    settings |= source.choice(({}, {}, {"transcription_model": ""}))
    if mode != "push_to_talk":
        settings |= source.choice(({}, {}, {}, {"create_response": False}))
        settings |= source.choice(({}, {}, {"interrupt_response": False}))
    tools: list[str] = []
    steps = [wait(300)]
    for number in range(source.randrange(1, 7)):
        steps += _random_steps(source, number, mode, tools)
    steps += [Step("join", PARTICIPANT), wait(500)]
    settings |= {"greet": False} if tools else {}  # The greeting would call them, too.
    return Scene(
        "made up",
        tuple(steps),
        TURNS,
        tuple(tools),
        settings,
        session_limit_s=source.choice((3_600.0, 3_600.0, 3_600.0, 20.0)),
        options=_random_server(source),
        runs_tools=False,
        confirm=source.random() < 0.1,
        tool_ms=source.choice((100, 300, 1_500, 3_000)),
    )


def _random_steps(source: random.Random, number: int, mode: str, tools: list[str]) -> list[Step]:
    match source.randrange(9):
        case 0 | 1:
            return [say(f"Typed text {number}."), *source.choice((ANSWERED, (), (wait(400),)))]
        case 2:
            tools.append(f"tool_{number}")
            return [say(f"call tool_{number}"), *source.choice((ANSWERED, (wait(600),)))]
        case 3 | 4 | 5:
            length_ms = source.choice((400, 800, 2_000))
            talk = [speak(length_ms), wait(length_ms)]
            turn = [PRESS, *talk, RELEASE] if mode == "push_to_talk" else talk
            return [*turn, *source.choice((ANSWERED, (), (wait(1_500),)))]
        case 6:
            return [until("speaking", 4_000), wait(source.choice((100, 900))), Step("interrupt")]
        case 7:
            return [source.choice((Step("lose"), Step("confirm"), Step("join", "p-1,p-2")))]
        case _:
            return [wait(source.choice((500, 3_000, 12_000)))]


def _random_server(source: random.Random) -> Json:
    return {
        "omit_rate_limits": source.choice(("never", "always", "sometimes")),
        "null_previous_in_done": source.choice(("never", "sometimes")),
        "truncated_first": source.choice(("never", "always")),
        "think_ms": source.choice((10, 40, 400, 3_000)),
        "generation_speed": source.choice((1.2, 8.0, 30.0)),
        "transcription_delay_ms": source.choice((0, 200, 1_500)),
    }


def with_pictures(scene: Scene, source: random.Random) -> Scene:
    """The same, where people show pictures with most of what they type; servers may be blind."""
    shown = [
        replace(step, do="show", text=source.choice(("", step.text)))
        if step.do == "say" and step.text.startswith("Typed") and source.random() < 0.7
        else step
        for step in scene.steps
    ]
    if shown == list(scene.steps):
        shown.insert(1, Step("show", "What is this?"))
    options = {**scene.options, "takes_images": source.random() < 0.8}
    return replace(scene, steps=tuple(shown), options=options)


def world_of(seed: int, pictures: bool = False) -> HostileWorld:
    """The conversation of a seed, before it is held."""
    source = random.Random(seed)
    scene = random_scene(source)
    if pictures:
        scene = with_pictures(scene, random.Random(~seed))
    kind = source.choice((HostileWorld, HostileWebsocketWorld))
    return kind(scene, random_rules(source), seed)


# -- what must hold -------------------------------------------------------------------------------


def hold(world: HostileWorld) -> None:
    """Hold the conversation while the server is hostile, and afterwards; then see what must hold.

    Raises:
        AssertionError: something does not hold.
    """
    for _ in range(60_000):
        if world._step == len(world.scene.steps):
            break
        world.step()
        world._skip(world.now_ns + S_NS)
    asked = last_question(world)
    world.run(3_000 if asked is None else max(3_000, NOTICED_MS - (world.now_ns - asked) // MS_NS))
    world.hostility.stop()
    world.settle(RECOVERS_MS)
    every_question_has_an_answer_or_a_notice(world, asked)
    world.ask(checks.LAST)
    the_room_talks_again(world)
    no_tool_runs_twice(world)
    the_money_is_true(world)
    checks.browsers_end_in_a_true_state(world, "ready")


def last_question(world: HostileWorld) -> int | None:
    """When something was asked last, if an answer is due to it whatever else the scene has."""
    kinds = [step.do for step in world.scene.steps]
    if {"interrupt", "confirm", "deny", "refuse", "leave"} & set(kinds) or world.scene.confirm:
        return None
    return max(world.asked, default=None)


def every_question_has_an_answer_or_a_notice(world: HostileWorld, asked_ns: int | None) -> None:
    """An answer has words, or is heard while the room shows that the assistant speaks.

    What its words were need not be known: a server may send the sound and nothing else.
    """
    if asked_ns is None or is_heard_after(world, asked_ns):
        return
    for at_ns, event in world.told:
        if at_ns < asked_ns:
            continue
        if event["type"] == "error" or (event["type"] == "state" and event.get("detail")):
            return
        if event["type"] == "caption" and event["speaker"] == "assistant" and event["text"]:
            return
    raise AssertionError(f"what was asked at {asked_ns / S_NS:.1f} s has no answer and no notice")


def is_heard_after(world: HostileWorld, asked_ns: int) -> bool:
    """Whether the assistant begins to speak after that, and can be heard then."""
    states = [(at_ns, e["assistant"]) for at_ns, e in world.told if e["type"] == "state"]
    begun = [
        at_ns
        for (_, before), (at_ns, now) in itertools.pairwise(states)
        if at_ns > asked_ns and now == "speaking" != before
    ]
    if not begun:
        return False
    loud = [
        f for f in world.frames if f[0] >= begun[0] and not is_quiet(f[3], DECODED_SILENCE_PEAK)
    ]
    return len(loud) > 5


def the_room_talks_again(world: HostileWorld) -> None:
    """The last question has an answer, and it is heard."""
    asked_ns = max(at for at, event in world.told if event.get("text") == checks.LAST)
    answers = [
        event["text"]
        for at_ns, event in world.told
        if at_ns > asked_ns and event["type"] == "caption" and event["speaker"] == "assistant"
    ]
    assert any(answers), world.final_captions()
    if world.settings.output == "audio":
        heard = [f[3] for f in world.frames if f[0] > asked_ns and f[1] == world.epoch]
        assert sum(any(pcm) for pcm in heard) > 5, "the last answer is not heard"


def no_tool_runs_twice(world: HostileWorld) -> None:
    """No call; nor, where nobody speaks meanwhile, whatever a call was made for.

    Two turns at once may make the model call a tool for each.
    """
    calls = Counter(call for call, _ in world.ran)
    assert all(count == 1 for count in calls.values()), calls
    if not any(step.do == "speak" for step in world.scene.steps):
        runs = Counter(name for _, name in world.ran)
        assert all(count == 1 for count in runs.values()), runs


def the_money_is_true(world: HostileWorld) -> None:
    """Whatever the server has told unharmed is counted, and nothing is counted twice."""
    counted = Counter(usage.key for usage in world.journal.usage() if usage.kind == "response")
    assert all(count == 1 for count in counted.values()), counted
    missing = set(world.intact) - set(counted)
    assert not missing, missing
    spent = world.engine.counters()["spent_usd_total"]
    assert 0 <= spent < 1_000, spent


# -- many -----------------------------------------------------------------------------------------


def verdict(seed: int, pictures: bool = False) -> tuple[int, str]:
    """What does not hold in the conversation of a seed; empty: all is well."""
    try:
        hold(world_of(seed, pictures))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        words = str(error).splitlines()[0] if str(error) else ""
        return seed, f"{type(error).__name__} in {where.name}: {words[:200]}"
    return seed, ""


def many(seeds: Sequence[int], workers: int, pictures: bool = False) -> int:
    """Hold the conversations of these seeds; tell what does not hold, and return how often."""
    wrong, judge = 0, partial(verdict, pictures=pictures)
    with ProcessPoolExecutor(workers) as pool:
        for number, (seed, words) in enumerate(pool.map(judge, seeds, chunksize=20), 1):
            if words:
                wrong += 1
                print(f"seed {seed}: {words}", flush=True)
            if number % 1_000 == 0:
                print(f"{number} conversations", flush=True)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pictures", action="store_true", help="people show some, too")
    arguments = parser.parse_args()
    begun = time.monotonic()
    seeds = range(arguments.seed, arguments.seed + arguments.count)
    wrong = many(seeds, arguments.workers, arguments.pictures)
    took_s = time.monotonic() - begun
    print(f"{arguments.count} conversations in {took_s:.0f} s, {wrong} went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
