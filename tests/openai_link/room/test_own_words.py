"""Exact words of each: sessions for one voice each beside the room's, in virtual time."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mixer_core.runtime.room_rules import RoomRules
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.room import actions as do
from openai_link.room.actions import Action
from openai_link.room.own_words import MAX_VOICES, RETRY_NS
from openai_link.simulator.brains.rules import Script
from openai_link.simulator.brains.script import ScriptBrain
from openai_link.simulator.engine.brain import Recognition
from openai_link.simulator.engine.options import EngineOptions
from openai_link.simulator.engine.session_config import create_session
from openai_link.simulator.engine.session_engine import SessionEngine
from openai_link.simulator.engine.strict_checks import check_session
from tests.openai_link.room.test_rule_changes import change
from tests.openai_link.room.world import (
    CONNECT_NS,
    REGULAR,
    WALL_MS,
    Scene,
    Step,
    World,
    speak,
    until,
    wait,
)
from tests.openai_link.simulator.support import LOUD

ADA, BEN = "p-1", "p-2"
BOTH = Step("join", "p-1,p-2")
ANSWERED = (until("speaking", 4_000), until("idle", 20_000))
WRITTEN = "conversation.item.input_audio_transcription."
MIXED = "What the mixed microphone says."


class _Voice(ScriptBrain):
    """What a session of one person writes down."""

    def __init__(self, words: Sequence[Recognition]) -> None:
        super().__init__(Script(prefix="", ms_per_character=10, rules=()))
        self._words = words

    def recognize(self, spoken_turn: int) -> Recognition | None:
        return self._words[spoken_turn - 1] if spoken_turn <= len(self._words) else None


class Voices(World):
    """A world with a server for each voice."""

    def __init__(self, scene: Scene, words: Mapping[str, Sequence[Recognition]]) -> None:
        self.words = words
        self.voices: dict[str, SessionEngine] = {}
        self.opened_voices: list[str] = []
        self.heard_ms: dict[str, int] = {}
        self.refuses = False
        self.is_heard = False
        super().__init__(scene)

    def _do(self, action: Action) -> None:
        match action:
            case do.HearVoices(is_wanted):
                self.is_heard = is_wanted
            case do.OpenVoice(who):
                self.opened_voices.append(who)
                self.schedule(CONNECT_NS, "_voice_connected", who)
            case do.CloseVoice(who):
                self.voices.pop(who, None)
            case do.SendVoice(who, event):
                if event["type"] == "input_audio_buffer.append":
                    ms = len(event["audio"]) * 3 // 4 // 48
                    self.heard_ms[who] = self.heard_ms.get(who, 0) + ms
                if who in self.voices:
                    made = self.voices[who].client_event(json.dumps(event), self.now_ns)
                    self._voice_says(who, made)
            case _:
                super()._do(action)

    def _voice_connected(self, who: str) -> None:
        if self.refuses:
            self.do(self.engine.voice_lost(who, "no WebSocket here", self.now_ns))
            return
        wanted = {"type": "transcription"}
        check_session(wanted)
        session = create_session(f"sess_{who}", WALL_MS // 1000 + 3_600, wanted)
        options = EngineOptions(**{**REGULAR, "transport": "websocket"})
        brain = _Voice(self.words.get(who, ()))
        self.voices[who] = SessionEngine(session, brain, random.Random(who), self.now_ns, options)
        self.do(self.engine.voice_opened(who, self.now_ns))

    def _voice_says(self, who: str, made: Sequence[Any]) -> None:
        for one in made:
            self.do(self.engine.voice_event(who, json.loads(json.dumps(one.event)), self.now_ns))

    def _sound(self) -> None:
        if self.is_heard and self.now_ns < self.loud_until_ns:
            for who in self.speakers:
                self.do(self.engine.voice_frame(who, LOUD, self.now_ns))
        super()._sound()
        for who, server in list(self.voices.items()):
            self._voice_says(who, server.slot(self.now_ns)[1])


def said(*texts: str, delay_ms: int = 100) -> list[Recognition]:
    return [Recognition(text, delay_ms=delay_ms) for text in texts]


def hold(
    *steps: Step,
    words: Mapping[str, Sequence[Recognition]],
    mixed_ms: int = 50,
    refuses: bool = False,
    each: bool = True,
    people: Step = BOTH,
    kind: type[Voices] = Voices,
    **more: Any,
) -> Voices:
    heard = tuple(Recognition(MIXED, delay_ms=mixed_ms) for _ in range(4))
    rules = RoomRules(transcribe_each=each)
    scene = Scene("own words", (people, wait(300), *steps), says=rules, words=heard, **more)
    world = kind(scene, words)
    world.refuses = refuses
    world.finish()
    return world


def lines(world: World) -> list[tuple[str, str]]:
    items = world.journal.items().values()
    return [(item.name, item.text) for item in items if item.role == "user"]


@pytest.mark.parametrize("mixed_ms", [50, 3_000])
def test_a_turn_has_the_exact_words_whichever_come_first(mixed_ms: int) -> None:
    world = hold(
        *(speak(800, ADA), *ANSWERED, speak(900, BEN), *ANSWERED),
        words={ADA: said("Good morning."), BEN: said("How are you?")},
        mixed_ms=mixed_ms,
    )
    assert lines(world) == [("Ada", "Good morning."), ("Ben", "How are you?")]
    shown = [text for text in world.final_captions().values() if not text.startswith("You said")]
    assert shown == ["Good morning.", "How are you?"]
    assert world.engine.counters()["own_words_turns_total"] == 2
    assert sorted(world.opened_voices) == [ADA, BEN]


def test_speech_at_once_has_the_words_of_both_by_name() -> None:
    world = hold(
        *(speak(700, ADA), speak(700, f"{ADA},{BEN}"), speak(500, BEN), *ANSWERED),
        words={ADA: said("The window is open."), BEN: said("Close it.")},
    )
    assert lines(world) == [("Ada, Ben", "Ada: The window is open. / Ben: Close it.")]


def test_sound_goes_out_only_while_somebody_speaks() -> None:
    world = hold(
        *(speak(1_000, ADA), *ANSWERED, wait(5_000), speak(1_000, ADA), *ANSWERED),
        words={ADA: said("One.", "Two.")},
    )
    assert 1_800 <= world.heard_ms[ADA] <= 2_600 and BEN not in world.heard_ms
    assert [text for _, text in lines(world)] == ["One.", "Two."]


def test_what_it_costs_is_counted_for_the_one_who_spoke() -> None:
    with_it = hold(speak(1_000, BEN), *ANSWERED, words={BEN: said("Good morning.")})
    without = hold(speak(1_000, BEN), *ANSWERED, words={}, each=False)
    kinds = [[u.kind for u in world.journal.usage()] for world in (with_it, without)]
    assert kinds[0].count("transcription") == 2 and kinds[1].count("transcription") == 1
    more = with_it.of("usage")[-1]["room"]["cost_usd"] - without.of("usage")[-1]["room"]["cost_usd"]
    assert more > 0
    own = next(u for u in with_it.journal.usage() if u.kind == "transcription" and u.cost_usd)
    assert [who for who, _, _ in own.shares] == [BEN]


def test_each_session_is_paid_for_where_servers_count_their_items() -> None:
    world = hold(wait(100), words={})
    own = world.engine._parts.own_words.words
    assert own is not None
    usage = {"type": "tokens", "total_tokens": 9, "input_tokens": 9, "output_tokens": 0}
    done = {"type": f"{WRITTEN}completed", "item_id": "item_1", "transcript": "", "usage": usage}
    for _ in range(2):
        for who in (ADA, BEN):
            own.frame(who, LOUD, S_NS)
            own._writers[who].opening(S_NS)
            assert own.event(who, done, WALL_MS, S_NS)
            assert not own.event(who, done, WALL_MS, S_NS)


def test_off_or_alone_costs_nothing() -> None:
    for each, people in ((False, BOTH), (True, Step("join", ADA))):
        world = hold(speak(800, ADA), *ANSWERED, words={}, each=each, people=people)
        assert world.opened_voices == [] and world.heard_ms == {} and not world.is_heard
        assert not world.engine.hears_voices
        assert [text for _, text in lines(world)] == [MIXED]
        assert each or world.engine._parts.own_words.words is None


@pytest.mark.parametrize("fate", ["refused", "lost", "failed", "silent", "error"])
def test_a_loss_never_touches_the_conversation(fate: str) -> None:
    """Whatever becomes of Ben's session, the turn keeps what the mixed microphone said."""
    kinds: dict[str, Any] = {"failed": "failed"}
    delay_ms = 60_000 if fate == "silent" else 800
    words = {BEN: [Recognition("Hello.", kinds.get(fate, "normal"), delay_ms=delay_ms)]}
    rules = RoomRules(transcribe_each=True)
    heard = (Recognition(MIXED, delay_ms=50),)
    steps = (BOTH, wait(300), speak(900, BEN), wait(700), wait(400), *ANSWERED)
    world = Voices(Scene("loss", steps, says=rules, words=heard), words)
    world.refuses = fate == "refused"
    for _ in world.steps():
        if fate in ("lost", "error") and world.has_waited(4, 100) and BEN in world.voices:
            del world.voices[BEN]
            if fate == "lost":
                world.do(world.engine.voice_lost(BEN, "gone", world.now_ns))
            else:
                event = {"type": "error", "error": {"message": "no"}}
                world.do(world.engine.voice_event(BEN, event, world.now_ns))
    assert lines(world) == [("Ben", MIXED)]
    assert not world.of("error") and world.opened == 1
    lost = world.engine.counters()["own_words_lost_total"]
    assert lost == (fate in ("refused", "lost", "error"))


def test_a_lost_session_is_tried_again_after_a_while_and_not_sooner() -> None:
    world = hold(
        *(speak(800, BEN), wait(3_000), speak(800, BEN), wait(3_000)),
        words={BEN: said("One.", "Two.")},
        refuses=True,
    )
    assert world.opened_voices == [BEN]
    world.refuses = False
    world.scene = Scene(
        **{**vars(world.scene), "steps": (*world.scene.steps, wait(RETRY_NS // MS_NS),
                                         speak(800, BEN), *ANSWERED)}
    )  # fmt: skip
    world.finish()
    assert world.opened_voices == [BEN, BEN] and lines(world)[-1] == ("Ben", "One."), lines(world)


def test_it_is_switched_while_the_room_runs() -> None:
    world = hold(speak(800, ADA), *ANSWERED, words={ADA: said("One.")})
    assert world.is_heard and world.voices
    change(world, transcribe_each=False)
    assert not world.is_heard and not world.voices
    assert any("written down" in event["message"] for event in world.of("rules"))


def test_switched_on_it_hears_those_who_are_there() -> None:
    world = hold(wait(100), words={ADA: said("One.")}, each=False)
    change(world, transcribe_each=True)
    assert world.is_heard
    world.scene = Scene(
        **{**vars(world.scene), "steps": (*world.scene.steps, speak(800, ADA), *ANSWERED)}
    )
    world.finish()
    assert lines(world)[-1] == ("Ada", "One."), lines(world)


def test_voices_come_by_themselves_only_while_several_are_there() -> None:
    world = hold(wait(100), words={})
    assert world.is_heard and world.engine.hears_voices
    world.roster(ADA)
    assert not world.is_heard and not world.engine.hears_voices


def test_without_a_session_of_the_room_nothing_is_spent() -> None:
    """The budget stops the sessions of single voices, too."""
    world = hold(
        *(speak(800, ADA), wait(4_000)),
        words={ADA: said("One.", "Two.")},
        settings={"daily_budget_usd": 1e-6},
    )
    assert world.state["code"] == "budget_spent"
    before_ms = world.heard_ms[ADA]
    world.loud_until_ns, world.speakers = world.now_ns + S_NS, [ADA]
    world.run(3_000)
    assert not world.voices and world.heard_ms[ADA] == before_ms


PRESS, RELEASE = Step("press"), Step("release")
BUTTON: dict[str, Any] = {"turn_detection": "push_to_talk"}


def test_a_turn_of_the_button_has_nothing_of_what_was_said_before_it() -> None:
    turn = (PRESS, speak(800, ADA), wait(800), RELEASE, wait(4_000))
    world = hold(
        *(*turn, speak(840, ADA), PRESS, speak(60, ADA), RELEASE, wait(4_000), *turn),
        words={ADA: said("One.", "A tap.", "Two.")},
        settings=BUTTON,
    )
    assert [text for _, text in lines(world)] == ["One.", "Two."]


class Slow(Voices):
    """The room's server is slow to tell anything."""

    def _receive(self, session: int, event: Mapping[str, Any]) -> None:
        self.schedule(800 * MS_NS, "_arrived", session, event)

    def _arrived(self, session: int, event: dict[str, Any]) -> None:
        super()._receive(session, event)


def test_a_quick_next_press_takes_nothing_from_the_turn_before() -> None:
    """It comes before the server has acknowledged that turn."""
    twice = (speak(800, ADA), wait(1_200), speak(800, ADA), wait(400))
    world = hold(
        *(PRESS, *twice, RELEASE, wait(600), PRESS, wait(1_000), speak(800, BEN), wait(800)),
        *(RELEASE, wait(6_000)),
        words={ADA: said("One.", "Two."), BEN: said("Three.")},
        settings=BUTTON,
        kind=Slow,
    )
    assert lines(world) == [("Ada", "One. Two."), ("Ben", "Three.")]


def test_what_was_said_before_a_deletion_never_comes_back() -> None:
    begun = (PRESS, speak(800, ADA), wait(2_500))
    steps = (BOTH, wait(300), *begun, speak(800, ADA), wait(800), RELEASE, wait(4_000))
    heard = tuple(Recognition(MIXED, delay_ms=50) for _ in range(4))
    rules = RoomRules(transcribe_each=True)
    scene = Scene("deleted", steps, says=rules, words=heard, settings=BUTTON)
    world = Voices(scene, {ADA: said("The password is fish.")})
    for _ in world.steps():
        if world.voices and world.has_waited(4, 2_000):
            world.words = {ADA: said("What time is it?")}
            world.do(world.engine.forget("Ada", world.now_ns))
            assert not world.voices
    assert lines(world) == [("Ada", "What time is it?")]


def test_what_was_said_for_a_lost_session_is_of_no_later_turn() -> None:
    turn = (PRESS, speak(800, ADA), wait(1_500))
    world = hold(
        *(*turn, Step("lose"), wait(100), RELEASE, wait(8_000), *turn, RELEASE, wait(4_000)),
        words={ADA: said("Once.")},
        settings=BUTTON,
    )
    assert world.opened == 2 and [text for _, text in lines(world)] == ["Once."]


def test_a_rollover_in_a_turn_makes_two_turns_with_their_own_words() -> None:
    begun = (wait(20_000), PRESS, speak(800, ADA), wait(19_000))
    world = hold(
        *(*begun, speak(800, ADA), wait(800), RELEASE, wait(4_000)),
        words={ADA: said("First half.", "Second half.")},
        settings=BUTTON,
        session_limit_s=40,
    )
    assert world.opened == 2
    assert lines(world) == [("Ada", "First half."), ("Ada", "Second half.")]


def test_a_changed_language_holds_for_everybody() -> None:
    world = hold(
        *(speak(800, ADA), *ANSWERED),
        words={ADA: said("One."), BEN: said("Two.")},
        settings={"transcription_language": "en"},
    )
    change(world, transcribe_each=True, language="de")
    steps = (*world.scene.steps, speak(800, BEN), *ANSWERED)
    world.scene = Scene(**{**vars(world.scene), "steps": steps})
    world.finish()
    written = [
        server.session["audio"]["input"]["transcription"] for server in world.voices.values()
    ]
    assert [one["language"] for one in written] == ["de", "de"]


def test_many_who_speak_are_bounded() -> None:
    own = hold(wait(100), words={}).engine._parts.own_words.words
    assert own is not None
    people = [f"p-{number}" for number in range(20)]
    own.people(people)
    for who in people:
        own.frame(who, LOUD, S_NS)
    assert len(own._writers) == MAX_VOICES
