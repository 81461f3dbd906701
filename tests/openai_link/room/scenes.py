"""The conversations that are held again and again while something goes wrong."""

from __future__ import annotations

from tests.openai_link.room.world import Scene, Step, say, speak, until, wait

ANSWERED = (until("speaking"), until("idle", 20_000))
PRESS, RELEASE = Step("press"), Step("release")
QUESTION = (
    "Tell me all that you know about the lives of whales and of other great animals in the sea, "
    "and how old they become."
)
"""Its answer takes about 5 s."""
STORY = ("Tell me a story.", "Thank you.")
QUIRKS = ("omit_rate_limits", "null_previous_in_done", "padded_arguments", "truncated_first")

CORE = (
    Scene("plain turn", (wait(300), speak(800), *ANSWERED), heard=("Good morning.",)),
    Scene(
        "barge-in",
        (wait(300), speak(800), until("speaking"), wait(2_000), speak(800), *ANSWERED),
        heard=STORY,
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
    Scene("typed text", (wait(300), say("Good morning."), *ANSWERED)),
    Scene("greeting", (*ANSWERED, say("Hello yourself."), *ANSWERED), settings={"greet": True}),
)
ROLLOVERS = (
    Scene(
        "rollover in a pause",
        (wait(300), say("Good morning."), *ANSWERED, wait(4_000), say("Good night."), *ANSWERED),
        session_limit_s=10,
    ),
    Scene(
        "rollover in speech",
        (wait(4_000), speak(5_500), *ANSWERED),
        heard=("A very long speech.", "Its end."),
        session_limit_s=10,
    ),
    Scene(
        "rollover in an answer",
        (wait(4_500), say(QUESTION), until("speaking"), wait(4_000), speak(800), *ANSWERED),
        heard=("Stop it.",),
        session_limit_s=10,
    ),
    Scene(
        "rollover while a tool works",
        (wait(4_500), say("call lights"), *ANSWERED),
        tools=("lights",),
        tool_ms=4_500,
        session_limit_s=10,
    ),
    Scene(
        "rollover while the button is held",
        (wait(4_500), PRESS, speak(4_500), RELEASE, *ANSWERED),
        heard=("A very long speech.",),
        settings={"turn_detection": "push_to_talk"},
        session_limit_s=10,
    ),
)
TOOLS = (
    Scene(
        "tool with a yes",
        (wait(300), say("call lights"), wait(1_200), Step("confirm"), *ANSWERED),
        tools=("lights",),
        confirm=True,
    ),
    Scene(
        "tool with a yes too late",
        (wait(300), say("call lights"), wait(2_500), Step("confirm"), *ANSWERED),
        tools=("lights",),
        confirm=True,
        runs_tools=False,
        settings={"tool_confirm_timeout_ms": 2_000},
    ),
    Scene(
        "tool time-out",
        (wait(300), say("call lights"), *ANSWERED, wait(1_000)),
        tools=("lights",),
        tool_ms=3_000,
        settings={"tool_timeout_ms": 1_000},
    ),
)
MODES = (
    Scene(
        "greeting that is spoken over",
        (until("speaking"), wait(600), speak(800), *ANSWERED),
        heard=("Hello.",),
        settings={"greet": True},
    ),
    Scene(
        "written answers",
        (wait(300), say("Hello?"), wait(1_500), speak(800), wait(1_500)),
        heard=("Good morning.",),
        settings={"output": "text"},
    ),
    Scene(
        "answers by the button only",
        (wait(300), speak(800), wait(1_500), PRESS, RELEASE, *ANSWERED),
        heard=("Good morning.",),
        settings={"create_response": False},
    ),
    Scene(
        "idle time-out",
        (wait(300), say("Good morning."), *ANSWERED, wait(4_500), *ANSWERED),
        settings={"idle_timeout_ms": 5_000},
    ),
    Scene(
        "two people",
        (
            wait(300),
            Step("join", "p-1,p-2"),
            wait(500),
            speak(800),
            *ANSWERED,
            say("And me."),
            *ANSWERED,
            Step("join", "p-2"),
            wait(500),
        ),
        heard=("Good morning.",),
    ),
)
SERVERS = (
    Scene(
        "truncated before it is done",
        (wait(300), speak(800), until("speaking"), wait(1_500), speak(800), *ANSWERED),
        heard=STORY,
        options={"truncated_first": "always", "generation_speed": 2.0},
    ),
    Scene(
        "a server with moods",
        (
            wait(300),
            say("call lights"),
            *ANSWERED,
            speak(800),
            until("speaking"),
            wait(1_000),
            speak(800),
            *ANSWERED,
        ),
        heard=STORY,
        tools=("lights",),
        options=dict.fromkeys(QUIRKS, "sometimes") | {"generation_speed": 2.0},
    ),
    Scene(
        "late transcripts",
        (wait(300), speak(800), *ANSWERED),
        heard=("Good morning.",),
        options={"transcription_delay_ms": 1_500},
    ),
    Scene(
        "a session that ends too soon",
        (wait(300), say("Good morning."), *ANSWERED, say("Good night."), *ANSWERED),
        first_ends_s=1.5,
    ),
)
SCENES = (*CORE, *ROLLOVERS, *TOOLS, *MODES, *SERVERS)

BUDGET = Scene(
    "budget stop",
    (wait(300), say("Good morning."), until("speaking", 4_000), wait(3_000)),
    settings={"daily_budget_usd": 1e-6},
)
