"""Stopping while people talk, and a program that always ends at the same place."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient, use_loopback
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes

DRAIN_S = 15
"""Long enough for one more to be refused, on a busy machine too."""


def test_two_calls_are_told_of_a_restart_and_talk_again_after_it(
    record_property, short_dir: Path
) -> None:  # type: ignore[no-untyped-def]
    gateway = Gateway(
        RUNTIME__DRAIN_S=DRAIN_S,
        RUNTIME__LOG_FILE=str(short_dir / "mixminus.log"),
        SIMULATOR__THINK_MS=0,
    )
    try:
        gateway.start()
        record_property("figures", asyncio.run(_restart(gateway)))
        assert "= is to stop: 2 people are told" in (short_dir / "mixminus.log").read_text()
    finally:
        gateway.close()


async def _restart(gateway: Gateway) -> dict[str, float]:
    use_loopback()
    people = [PlainClient(gateway.url, room, room) for room in ("anna", "bob")]
    for person in people:
        await person.join()
    assert gateway.process is not None
    began_s = time.monotonic()
    gateway.process.send_signal(signal.SIGTERM)
    for person in people:
        await person.until(lambda p=person: p.of_type("notice"), "nobody is told")
        (told,) = person.of_type("notice")
        assert told["code"] == "stopping" and 0 < told["in_ms"] <= 1000 * DRAIN_S
        assert "keep this page open" in told["message"]
    late = PlainClient(gateway.url, "carl", "carl")
    with pytest.raises(AssertionError, match="Draining"):
        await late.join()
    assert gateway.get("/readyz")[0] == 503
    await _ended(gateway)
    assert gateway.process.returncode == 0 and time.monotonic() - began_s >= DRAIN_S
    for person in (*people, late):
        await person.close()

    told_s, stopped_s = began_s, time.monotonic()
    gateway.start(wait=False)
    again = [PlainClient(gateway.url, room, room) for room in ("anna", "bob")]
    await asyncio.gather(*(_join_when_possible(person) for person in again))
    back_s = time.monotonic()
    for person in again:
        ready = lambda p=person: any(m["upstream"] == "ready" for m in p.of_type("state"))  # noqa: E731
        await person.until(ready, "the assistant is not there")
        person.say(type="say", text="are you there again?")
        await person.until(lambda p=person: p.pcm().strip(b"\0"), "the assistant says nothing")
    heard_s = time.monotonic()
    for person in again:
        await person.close()

    began_s = time.monotonic()  # Nobody is there: it ends at once.
    gateway.process.send_signal(signal.SIGTERM)
    await _ended(gateway)
    return {
        "asked_to_ended_s": round(stopped_s - told_s, 2),
        "connected_again_s": round(back_s - stopped_s, 2),
        "hear_again_s": round(heard_s - stopped_s, 2),
        "empty_stop_s": round(time.monotonic() - began_s, 2),
    }


async def _ended(gateway: Gateway) -> None:
    process = gateway.process
    assert process is not None
    await until(lambda: process.poll() is not None, "it does not end", lambda: gateway.log)


async def _join_when_possible(person: PlainClient) -> None:
    """As the page does: every second until it is let in."""
    until_s = time.monotonic() + 2 * PATIENCE_S
    while True:
        try:
            await person.join()
            return
        except (AssertionError, OSError):
            assert time.monotonic() < until_s, "nobody lets it in"
            await asyncio.sleep(1)


def test_a_program_that_always_ends_at_the_same_place_is_given_up_and_its_words_are_told(
    short_dir: Path,
) -> None:
    """The worker's program cannot be imported any more; the call that is there goes on."""
    gateway = Gateway(MIXER_CORE__STANDBY="false")
    marker = short_dir / "broken"
    (short_dir / "sitecustomize.py").write_text(
        "import os, sys\n"
        f"if os.path.exists({str(marker)!r}) and 'media_worker' in sys.orig_argv:\n"
        "    os.write(2, b'ImportError: libbroken.so.3\\n')\n"
        "    os._exit(1)\n"
    )
    gateway.env["PYTHONPATH"] = f"{short_dir}:{gateway.env.get('PYTHONPATH', '')}"
    try:
        gateway.start()
        asyncio.run(_given_up(gateway, marker))
    finally:
        gateway.close()


async def _given_up(gateway: Gateway, marker: Path) -> None:
    use_loopback()
    anna = PlainClient(gateway.url, "anna", "anna")
    await anna.join()
    marker.touch()
    for pid in gateway.pids("-m media_worker"):
        os.kill(pid, signal.SIGKILL)
    await anna.until(lambda: anna.of_type("notice"), "nobody is told")
    (told,) = anna.of_type("notice")
    assert told["code"] == "given_up" and "nobody new can come in" in told["message"]
    assert "libbroken.so.3" in told["message"], "this is an admin's"
    state = gateway.json("/readyz")
    detail = state["programs"]["media_worker"]["detail"]
    assert "it ended 5 times in a row (exit code 1): ImportError: libbroken.so.3" in detail
    assert gateway.log.count("\nImportError: libbroken.so.3\n") == 5
    anna.say(type="ping", t=1)
    await anna.until(lambda: anna.of_type("pong"), "the call is gone")
    await anna.close()
