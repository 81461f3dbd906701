"""Every role against every control message: the second table of ``docs/roles.md``."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path

from media_worker.actions import Announce, SendAudio, SendBus, SendControl
from media_worker.protocol.browser_messages import MESSAGES
from media_worker.session import Session
from media_worker.settings import MediaWorkerSettings
from mixer_core.bus.control import Offer
from mixer_core.bus.events import StreamInfo
from mixer_core.bus.frames import Frame, Kind
from mixer_core.bus.roles import ROLES, Role
from mixer_core.bus.rules import AdminRules

DOCUMENT = Path(__file__).parents[2] / "docs" / "roles.md"
EXAMPLES = {
    "hello": {},
    "mute": {"muted": False},
    "ptt": {"down": True},
    "say": {"text": "hello"},
    "interrupt": {},
    "confirm": {"call": "c", "allow": True},
    "played": {"epoch": 0, "played_ms": 1, "buffered_ms": 0},
    "place": {"name": "Kitchen"},
    "speaker": {"use": "take"},
    "record": {"on": True},
    "ping": {},
}
USUAL = AdminRules()
RULES = {
    "interrupt": ("stop", ("speak", "admin")),
    "confirm": ("confirm", ("speak", "admin")),
}
DEFAULTS = {"hello": {"name": ""}}


def joined(role: Role, rules: AdminRules = USUAL, silenced: bool = False) -> Session:
    """A guest in the room."""
    offer = Offer(
        "p-1",
        "home",
        7,
        "assistant",
        "Ada",
        "v=0",
        role,
        False,
        "i.s",
        silenced=silenced,
        rules=rules,
    )
    session = Session(offer, MediaWorkerSettings(), 0)
    session.opened(framed=True, now_ns=0)
    session.bus_frame(Frame(Kind.START, 7), 1)
    return session


def outcome(role: Role, kind: str, rules: AdminRules = USUAL) -> str:
    message = {"type": kind, **DEFAULTS.get(kind, {}), **EXAMPLES[kind]}
    actions = joined(role, rules).control_text(json.dumps(message), 2)
    texts = [json.loads(a.text) for a in actions if isinstance(a, SendControl)]
    refused = [text for text in texts if text.get("code") == "not_allowed"]
    assert not refused or len(actions) == 1
    return "no" if refused else "yes"


def test_every_role_against_every_control_message() -> None:
    assert EXAMPLES.keys() == MESSAGES.keys()
    lines = ["| control message | " + " | ".join(ROLES) + " |", "|---" * (len(ROLES) + 1) + "|"]
    for kind in MESSAGES:
        cells = [outcome(role, kind) for role in ROLES]
        lines.append(f"| `{kind}` | " + " | ".join(cells) + " |")
    made = "\n".join(lines)
    assert made in DOCUMENT.read_text(encoding="utf-8"), f"\n{made}"


def test_a_listeners_audio_is_dropped_and_reported_once() -> None:
    session = joined("listen")
    assert session.moderation.listens_only and session.info.muted
    answers = [action for _ in range(50) for action in session.audio_of_listener()]
    assert not any(isinstance(action, SendAudio) for action in answers)
    (told,) = [json.loads(a.text) for a in answers if isinstance(a, SendControl)]
    assert told["code"] == "not_allowed" and "dropped" in told["message"]
    assert session.moderation.refused_frames_total == 50


def test_no_message_makes_a_listener_heard() -> None:
    session = joined("listen")
    for kind, example in EXAMPLES.items():
        session.control_text(json.dumps({"type": kind, **DEFAULTS.get(kind, {}), **example}), 3)
    assert session.info.muted and session.uplink is not None and session.uplink.muted


def test_who_is_muted_by_an_admin_stays_so() -> None:
    session = joined("speak")
    told = [
        json.loads(a.text) for a in session.silence(True, True, 3) if isinstance(a, SendControl)
    ]
    assert told == [{"type": "silenced", "muted": True, "locked": True}]
    (refusal,) = session.control_text('{"type":"mute","muted":false}', 4)
    assert isinstance(refusal, SendControl) and "muted_by_admin" in refusal.text
    assert session.info.muted
    session.silence(False, False, 5)
    assert session.info.muted, "nobody else opens a microphone"
    session.control_text('{"type":"mute","muted":false}', 6)
    assert not session.info.muted


def test_a_guest_keeps_the_name_they_came_with() -> None:
    session = joined("speak")
    (refusal,) = session.control_text('{"type":"hello","name":"Anna"}', 3)
    assert isinstance(refusal, SendControl) and "name_kept" in refusal.text
    assert session.control_text('{"type":"hello","name":"Ada"}', 4) == []
    assert session.info.name == "Ada"


def test_who_has_to_leave_is_told_why() -> None:
    session = joined("speak")
    bye = session.leave("removed", "an admin has removed you")[0]
    assert isinstance(bye, SendControl)
    assert json.loads(bye.text) == {
        "type": "bye",
        "code": "removed",
        "message": "an admin has removed you",
    }
    assert session.status == "closed"


def test_the_rules_of_the_room_decide_who_stops_and_who_confirms() -> None:
    head = "| control message | rule | " + " | ".join(ROLES) + " |"
    lines = [head, "|---" * (len(ROLES) + 2) + "|"]
    for kind, (rule, values) in RULES.items():
        for value in values:
            rules = replace(USUAL, **{rule: value})
            cells = [outcome(role, kind, rules) for role in ROLES]
            lines.append(f"| `{kind}` | `{rule} = {value}` | " + " | ".join(cells) + " |")
    made = "\n".join(lines)
    assert made in DOCUMENT.read_text(encoding="utf-8"), f"\n{made}"


def test_every_rule_has_a_row_in_the_document() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for field in fields(AdminRules):
        shown = str(field.default).lower() if isinstance(field.default, bool) else field.default
        shown = shown or '""'
        assert f"| `{field.name}` | `{shown}` |" in text


def test_no_rule_lets_a_listener_do_more() -> None:
    freest = AdminRules(stop="speak", confirm="speak")
    assert [k for k in MESSAGES if outcome("listen", k, freest) == "yes"] == [
        k for k in MESSAGES if outcome("listen", k) == "yes"
    ]


def test_who_comes_in_muted_stays_so_until_an_admin_lets_them_speak() -> None:
    session = joined("speak", AdminRules(enter_muted=True), silenced=True)
    assert session.info.muted and session.uplink is not None and session.uplink.muted
    (refusal,) = session.control_text('{"type":"mute","muted":false}', 4)
    assert isinstance(refusal, SendControl) and "muted_by_admin" in refusal.text
    session.silence(False, False, 5)
    session.control_text('{"type":"mute","muted":false}', 6)
    assert not session.info.muted


def test_the_page_is_told_the_rules_and_whether_it_is_muted() -> None:
    rules = AdminRules(locked=True, stop="speak")
    offer = Offer("p-1", "home", 7, "assistant", "Ada", "v=0", "speak", silenced=True, rules=rules)
    session = Session(offer, MediaWorkerSettings(), 0)
    session.opened(framed=True, now_ns=0)
    (told,) = session.bus_frame(Frame(Kind.START, 7), 1)
    assert isinstance(told, SendControl)
    welcome = json.loads(told.text)
    assert (welcome["silenced"], welcome["rules"]) == (True, asdict(rules))


def test_a_change_of_the_room_is_told_to_the_page_and_the_mixer() -> None:
    session = joined("listen")
    told, start, announce = session.set_room("conference", USUAL, 3)
    assert isinstance(told, SendControl)
    rules = asdict(USUAL)
    assert json.loads(told.text) == {"type": "room", "mode": "conference", "rules": rules}
    assert isinstance(start, SendBus) and b"conference" in start.payload
    assert announce == Announce() and session.info.mode == "conference"
    assert session.set_room("conference", USUAL, 4) == []


def test_whom_the_assistant_answers_is_for_the_mixer_to_pass_on() -> None:
    session = joined("listen")
    told, start, _ = session.set_room("assistant", AdminRules(address="addressed"), 3)
    assert isinstance(told, SendControl) and isinstance(start, SendBus)
    assert StreamInfo.decode(start.payload).address == "addressed"


def test_a_change_of_the_rules_alone_does_not_concern_the_mixer() -> None:
    session = joined("speak")
    (told,) = session.set_room("assistant", AdminRules(stop="speak"), 3)
    assert isinstance(told, SendControl) and json.loads(told.text)["rules"]["stop"] == "speak"
    assert any(isinstance(a, SendBus) for a in session.control_text('{"type":"interrupt"}', 4))
    session.set_room("assistant", USUAL, 5)
    (refused,) = session.control_text('{"type":"interrupt"}', 6)
    assert isinstance(refused, SendControl) and "not_allowed" in refused.text
