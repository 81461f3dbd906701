"""Settings that change while somebody talks; a broken file; a file that nobody has reloaded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.support.gateway import ROOT, Gateway
from tests.support.plain_client import PlainClient, use_loopback
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.processes
CHILDREN = ("media_worker-", "openai_link-")
"""How the processes of browsers and rooms are called."""


def test_a_call_goes_on_while_every_program_takes_its_new_settings(
    record_property, short_dir: Path
) -> None:  # type: ignore[no-untyped-def]
    gateway = Gateway(RUNTIME__WATCHDOG_S=60, MIXER_CORE__STANDBY="true")
    config = short_dir / "settings.toml"
    config.write_text("[signaling]\nmax_rooms = 3\n")
    gateway.env["MIXMINUS_CONFIG"] = str(config)
    try:
        gateway.start()
        record_property("figures", asyncio.run(_reload(gateway, config)))
    finally:
        gateway.close()


async def _reload(gateway: Gateway, config: Path) -> dict[str, float]:
    use_loopback()
    anna = PlainClient(gateway.url, "anna", "anna")
    await anna.join()
    await anna.until(lambda: anna.of_type("state"), "the assistant is not there")
    before = _programs(gateway)
    mine = before[CHILDREN[0]] | before[CHILDREN[1]]

    config.write_text("[signaling]\nmax_rooms = 'many'\n")
    done = await _command(gateway)
    assert done.returncode == 78 and f"{config}, line 2: [signaling] max_rooms" in done.stderr
    os.kill(min(before["signaling"]), signal.SIGKILL)  # It reads what was accepted.
    await asyncio.to_thread(gateway.wait, lambda: gateway.get("/readyz")[0] == 200, "it is gone")

    config.write_text(
        "[signaling]\nmax_participants = 1\n[media_worker]\noutbox_cap_ms = 300\n"
        "[openai_link]\ninstructions = 'Be brief.'\n[mixer_core]\ndeadline_ms = 30\n"
        "[rooms.anna]\nmode = 'conference'\npersona = 'Chef'\nvoice = 'ash'\ntranscript = false\n"
    )
    began_s = time.monotonic()
    done = await _command(gateway)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "[signaling] max_participants: at once",
        "[signaling] max_rooms: at once",
        "[media_worker] outbox_cap_ms: from the next call on",
        "[mixer_core] deadline_ms: at once",
        "[openai_link] instructions: at once",
        "[rooms.anna] mode: at once",
        "[rooms.anna] persona: at once",
        "[rooms.anna] voice: with the next session of each room",
        "[rooms.anna] transcript: at once",
    ]
    answered_s = time.monotonic() - began_s
    await anna.until(lambda: anna.of_type("rules"), "the room does not hear of its new rules")
    heard_s = time.monotonic() - began_s
    assert anna.of_type("rules")[0]["message"].startswith("The instructions, the assistant's name")
    await anna.until(lambda: anna.of_type("room"), "the room does not hear of its new mode")
    assert anna.of_type("room")[0]["mode"] == "conference"
    assert anna.of_type("state")[-1]["persona"] == "Chef"

    def all_new() -> bool:
        now = _programs(gateway)
        names = ("signaling", "media_worker", "openai_link", "mixer_core")
        return all(now[name] and not now[name] & before[name] for name in names)

    await asyncio.to_thread(gateway.wait, all_new, "not every program is another process")
    await asyncio.to_thread(gateway.wait_ready)
    ready_s = time.monotonic() - began_s
    left = _programs(gateway)
    assert mine & (left[CHILDREN[0]] | left[CHILDREN[1]]), "the call has ended"
    late = PlainClient(gateway.url, "bob", "bob")
    with pytest.raises(AssertionError, match="Full"):
        await late.join()
    anna.say(type="say", text="are you still there?")
    heard_from_s = time.monotonic()
    await anna.until(lambda: anna.pcm(heard_from_s).strip(b"\0"), "the assistant says nothing")
    await anna.close()
    await late.close()
    assert "is not started again" not in gateway.log and "Traceback" not in gateway.log
    return {
        "answered_s": round(answered_s, 2),
        "rules_heard_s": round(heard_s, 2),
        "all_new_s": round(ready_s, 2),
    }


def _programs(gateway: Gateway) -> dict[str, set[int]]:
    """Process numbers by program; those of children, which are in calls, by their own names."""
    names = ("signaling", "media_worker", "openai_link", "mixer_core")
    found: dict[str, set[int]] = {name: set() for name in (*names, *CHILDREN)}
    for process in gateway.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            called, command = process.name(), process.cmdline()
            if command[1:2] == ["-m"] and command[2] in names:
                found[command[2]].add(process.pid)
            for name in CHILDREN:
                if called.startswith(name):
                    found[name].add(process.pid)
    return found


async def _command(gateway: Gateway) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "deploy.cli", "reload"],
        cwd=ROOT,
        env=gateway.env | {"MIXMINUS_CONFIG": ""},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
