"""The conversations that are held again and again while something goes wrong."""

from __future__ import annotations

from tests.openai_link.room.world import Scene, Step, say, speak, until, wait

ANSWERED = (until("speaking"), until("idle", 20_000))
PRESS, RELEASE = Step("press"), Step("release")

SCENES = (
    Scene("plain turn", (wait(300), speak(800), *ANSWERED), heard=("Good morning.",)),
    Scene(
        "barge-in",
        (wait(300), speak(800), until("speaking"), wait(2_000), speak(800), *ANSWERED),
        heard=("Tell me a story.", "Thank you."),
    ),
    Scene("tool", (wait(300), say("call lights"), *ANSWERED), tools=("lights",)),
    Scene(
        "two parallel tools",
        (wait(300), say("call lights and clock"), *ANSWERED),
        tools=("lights", "clock"),
    ),
    Scene(
        "push-to-talk",
        (wait(300), PRESS, speak(800), wait(800), RELEASE, *ANSWERED),
        heard=("Good morning.",),
        settings={"turn_detection": "push_to_talk"},
    ),
    Scene(
        "rollover in a pause",
        (wait(300), say("Good morning."), *ANSWERED, wait(14_000), say("Good night."), *ANSWERED),
        session_limit_s=20,
    ),
    Scene(
        "rollover in speech",
        (wait(12_000), speak(7_000), wait(7_000), *ANSWERED),
        heard=("A very long speech.", "Its end."),
        session_limit_s=20,
    ),
    Scene("typed text", (wait(300), say("Good morning."), *ANSWERED)),
    Scene("greeting", (*ANSWERED, say("Hello yourself."), *ANSWERED), settings={"greet": True}),
)

BUDGET = Scene(
    "budget stop",
    (wait(300), say("Good morning."), until("speaking", 4_000), wait(3_000)),
    settings={"daily_budget_usd": 1e-6},
)
