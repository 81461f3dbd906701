"""Tools through the whole gateway: they run, fail, take too long, need a yes, outlive a loss."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.processes.looking import joined, of_type, set_faults, simulator_calls, until_said
from tests.processes.telling import outputs, run, statuses
from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient

pytestmark = pytest.mark.processes


def house_log(gateway: Gateway) -> list[str]:
    """What ran so far."""
    path = Path(gateway.env["HOUSE_LOG"])
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def since(gateway: Gateway, seen: int) -> list[str]:
    """What ran after the first ``seen`` lines; each test of this module looks at its own."""
    return house_log(gateway)[seen:]


async def asked(client: PlainClient, text: str, answer: str) -> float:
    """Ask by text; seconds until the answer is complete in writing."""
    began_s = time.monotonic()
    client.say(type="say", text=text)
    return await until_said(client, answer, began_s) - began_s


def test_one_call_two_at_once_and_one_that_fails(gateway: Gateway) -> None:
    async def story(client: PlainClient) -> dict[str, Any]:
        one_s = await asked(client, "Call humidity.", "41")
        two_s = await asked(client, "Call humidity and temperature.", "21.5")
        answers = [m["text"] for m in client.of_type("caption") if "21.5" in m["text"]]
        assert any("41" in text for text in answers), answers
        await asked(client, "Call broken.", "the sensor is on fire")
        return {"round_trip_s": round(one_s, 2), "two_at_once_s": round(two_s, 2)}

    seen = len(house_log(gateway))
    run(gateway, "tools", story)
    first, *two_at_once, last = since(gateway, seen)
    assert (first, sorted(two_at_once), last) == ("humidity", ["humidity", "temperature"], "broken")


def test_one_takes_too_long_and_the_talk_goes_on(gateway: Gateway) -> None:
    async def story(client: PlainClient) -> dict[str, Any]:
        began_s = time.monotonic()
        client.say(type="say", text="Call endless.")
        await client.until(lambda: "running" in statuses(client, "endless"), "it does not run")
        meanwhile_s = await asked(client, "Are you there?", "Are you there")
        at_s = await until_said(client, "no result after", began_s)
        assert statuses(client, "endless") == ["running", "timeout"]
        return {"timeout_told_s": round(at_s - began_s, 2), "meanwhile_s": round(meanwhile_s, 2)}

    run(gateway, "late", story)


def test_one_needs_a_yes(gateway: Gateway) -> None:
    async def story(client: PlainClient) -> dict[str, Any]:
        client.say(type="say", text="Call open_door.")
        await client.until(lambda: statuses(client, "open_door"), "nobody is asked")
        question = client.of_type("tool")[-1]
        assert (question["status"], question["question"]) == ("asking", "Open the door?")
        client.say(type="confirm", call=question["call"], allow=False)
        await until_said(client, "said no")
        began_s = time.monotonic()
        client.say(type="say", text="Call open_door.")
        await client.until(lambda: statuses(client, "open_door")[-1] == "asking", "not asked")
        client.say(type="confirm", call=client.of_type("tool")[-1]["call"], allow=True)
        answered_s = await until_said(client, "the door is open", began_s) - began_s
        assert statuses(client, "open_door") == ["asking", "refused", "asking", "running", "done"]
        return {"yes_to_answer_s": round(answered_s, 2)}

    seen = len(house_log(gateway))
    run(gateway, "door", story)
    assert since(gateway, seen) == ["open_door for Ada"]


def test_who_comes_later_may_answer_the_open_question(gateway: Gateway) -> None:
    async def story(client: PlainClient) -> dict[str, Any]:
        began_s = time.monotonic()
        client.say(type="say", text="Call open_door.")
        await client.until(lambda: statuses(client, "open_door"), "nobody is asked")
        late = await joined(gateway, "late-door", "Bob")
        await late.until(lambda: statuses(late, "open_door"), "Bob is not asked")
        question, first = late.of_type("tool")[0], client.of_type("tool")[0]
        assert {**question, "timeout_ms": 0, "at": 0} == {**first, "timeout_ms": 0, "at": 0}
        assert 0 < question["timeout_ms"] < first["timeout_ms"]
        late.say(type="confirm", call=question["call"], allow=True)
        await until_said(client, "the door is open", began_s)
        await late.close()
        newcomer = await joined(gateway, "late-door", "Eve")
        await newcomer.quiet(0.6)
        assert statuses(newcomer, "open_door") == [], "it was answered"
        await newcomer.close()
        return {"left_ms": question["timeout_ms"]}

    run(gateway, "late-door", story)


def test_a_call_outlives_the_upstream_and_runs_once(gateway: Gateway) -> None:
    async def story(client: PlainClient) -> dict[str, Any]:
        began_s = time.monotonic()
        client.say(type="say", text="Call slow.")
        await client.until(lambda: "running" in statuses(client, "slow"), "it does not run")
        set_faults(gateway, "kill_call_after_ms=200")
        await client.until(
            lambda: any(m["upstream"] == "reconnecting" for m in client.of_type("state")),
            "no loss",
        )
        set_faults(gateway, "")
        at_s = await until_said(client, "it took three seconds", began_s)
        return {"answer_after_loss_s": round(at_s - began_s, 2)}

    seen = len(house_log(gateway))
    run(gateway, "loss", story)
    assert since(gateway, seen) == ["slow begins", "slow ends"]
    newest = simulator_calls(gateway)[-1]
    assert len(of_type(newest, "function_call")) == 1
    assert outputs(gateway) == ["it took three seconds"]
