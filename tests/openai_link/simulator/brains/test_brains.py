"""The echo and tone brains, and the packaged greeting."""

from __future__ import annotations

from openai_link.simulator.brains.echo import EchoBrain
from openai_link.simulator.brains.factory import greeting_pcm, make_brain
from openai_link.simulator.brains.sounds import chime, tone
from openai_link.simulator.brains.tone import ToneBrain
from openai_link.simulator.engine.brain import Turn
from openai_link.simulator.settings import SimulatorSettings
from tests.openai_link.simulator.support import constant


def test_the_echo_brain_repeats_quotes_or_greets_and_always_says_what_it_is() -> None:
    brain = EchoBrain(b"\x01\x00", "Hello.")
    heard = constant(2_300)
    replies = [brain.reply(t) for t in (Turn(audio=heard), Turn(text="hi"), Turn())]
    assert [reply.pcm for reply in replies] == [heard, chime(), b"\x01\x00"]
    assert [reply.transcript for reply in replies] == [
        "[simulator] I heard 2.3 s of speech; here it is again.",
        '[simulator] You wrote: "hi"',
        "[simulator] Hello.",
    ]
    mute = EchoBrain(b"\x01\x00", "Hello.", greets=False)
    assert mute.reply(Turn()).transcript == "[simulator] There is nothing to repeat yet."


def test_the_tone_brain_always_answers_with_its_tone() -> None:
    reply = ToneBrain(1_000).reply(Turn(text="stop"))
    assert reply.pcm == tone(1_000)
    assert reply.transcript == "[simulator] This is a tone of 1.0 s at 400 Hz."
    assert isinstance(make_brain(SimulatorSettings(brain="tone")), ToneBrain)


def test_the_packaged_greeting_is_a_few_seconds_of_24_khz_mono() -> None:
    assert 3.0 < len(greeting_pcm()) / 48_000 < 5.0
