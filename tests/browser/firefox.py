"""Debian's Firefox over WebDriver BiDi, which it speaks itself: no driver program in between.

Playwright drives a Firefox of its own only. Commands: https://w3c.github.io/webdriver-bidi/
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.waiting import PATIENCE_S

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
PULSEAUDIO = shutil.which("pulseaudio")
"""Firefox keeps an AudioContext suspended where there is no device to play on."""
PREFERENCES: dict[str, bool | int | str] = {
    "media.navigator.permission.disabled": True,
    "media.cubeb.sandbox": False,  # Its audio process and a busy page wait for each other for ever.
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}
LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
MOST_TICKS_OF_STUCK = 10
"""Of a second, 100 to each processor."""
FIND = """
(ids) => {
  const find = (root) => {
    for (const id of ids) {
      const found = root.querySelector(`[id="${id}"]`);
      const box = found?.getBoundingClientRect();
      if (box && box.width > 0 && box.height > 0 && !found.disabled) return found;
    }
    for (const one of root.querySelectorAll('*')) {
      const found = one.shadowRoot && find(one.shadowRoot);
      if (found) return found;
    }
    return null;
  };
  const found = find(document);
  if (!found) return null;
  found.scrollIntoView({ block: 'center' });
  const place = () => JSON.stringify(found.getBoundingClientRect());
  const before = place();
  const still = () => (place() === before ? found : null);
  return new Promise((resolve) => setTimeout(() => resolve(still()), 100));
}
"""


class Stuck(RuntimeError):
    """Firefox answers nothing, and its main threads wait: nothing of a page could do that."""


class Firefox:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, pid: int) -> None:
        self._socket = socket
        self._pid = pid
        self._numbers = itertools.count(1)
        self.tab = ""
        self.errors: list[str] = []
        """What the console has reported as errors."""

    async def begin(self) -> None:
        """Open the session."""
        await self.ask("session.new", capabilities={})
        await self.ask("session.subscribe", events=["log.entryAdded"])
        self.tab = (await self.ask("browsingContext.getTree"))["contexts"][0]["context"]

    async def ask(self, method: str, **params: Any) -> Any:
        """One command; its result. Raises AssertionError where it fails, Stuck for ever."""
        number = next(self._numbers)
        await self._socket.send_str(json.dumps({"id": number, "method": method, "params": params}))
        try:
            async with asyncio.timeout(PATIENCE_S):
                answer = await self._answer(number)
        except TimeoutError:
            ticks = await self._main_threads()
            words = f"{method}: no answer within {PATIENCE_S:g} s; ticks in a second: {ticks}"
            kind = AssertionError if sum(ticks.values()) > MOST_TICKS_OF_STUCK else Stuck
            raise kind(words) from None
        assert answer["type"] == "success", (method, answer)
        return answer["result"]

    async def _main_threads(self) -> dict[str, int]:
        """Whether its processes compute or wait: their processor time within a second."""
        before = _processor_ticks(self._pid)
        await asyncio.sleep(1)
        after = _processor_ticks(self._pid)
        return {name: after[name] - before.get(name, 0) for name in after}

    async def _answer(self, number: int) -> Any:
        while True:
            answer = json.loads(await self._socket.receive_str())
            if answer.get("id") == number:
                return answer
            if answer.get("method") == "log.entryAdded":
                entry = answer["params"]
                self.errors += [str(entry["text"])] * (entry["level"] == "error")

    async def open(self, address: str) -> bool:
        """Go to an address, without waiting for the page; whether Firefox warns of its issuer."""
        try:
            await self.ask("browsingContext.navigate", context=self.tab, url=address, wait="none")
        except AssertionError as error:
            assert "SEC_ERROR_UNKNOWN_ISSUER" in str(error), error
            return True
        return False

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, or of the promise that it is."""
        wrapped = f"Promise.resolve({expression}).then((value) => JSON.stringify(value) ?? 'null')"
        target = {"context": self.tab}
        found = await self.ask(
            "script.evaluate", expression=wrapped, target=target, awaitPromise=True
        )
        assert found["type"] == "success", found
        return json.loads(found["result"]["value"])

    async def tap(self, *ids: str) -> None:
        """Click on the first of these elements that is there, as a person does."""
        call = {"functionDeclaration": FIND, "target": {"context": self.tab}, "awaitPromise": True}
        strings = [{"type": "string", "value": one} for one in ids]
        arguments = [{"type": "array", "value": strings}]

        async def element() -> Any:
            found = await self.ask("script.callFunction", arguments=arguments, **call)
            result = found.get("result", {})
            return result if result.get("type") == "node" else None

        node = await self.until(element, f"no element {ids}")
        origin = {"type": "element", "element": {"sharedId": node["sharedId"]}}
        actions = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "actions": actions}
        await self.ask("input.performActions", context=self.tab, actions=[mouse])

    async def until(self, look: Callable[[], Awaitable[Any]], words: str) -> Any:
        """What ``look`` returns as soon as it is something."""
        until_s = time.monotonic() + 2 * PATIENCE_S  # Firefox may be busy for one of them.
        while time.monotonic() < until_s:
            try:
                if found := await look():
                    return found
            except AssertionError as error:  # Between two pages there is nothing to look at.
                words = f"{words.partition(' (')[0]} ({error})"
            await asyncio.sleep(0.05)
        raise AssertionError(f"{words}: {await self.text()}")

    async def until_true(self, expression: str, words: str) -> None:
        """Wait until a JavaScript expression is true."""
        await self.until(lambda: self.evaluate(expression), words)

    async def text(self) -> str:
        """What the tab shows, for messages."""
        try:
            return str(await self.evaluate("document.body.innerText"))
        except AssertionError as error:
            return str(error)


def _processor_ticks(ancestor: int) -> dict[str, int]:
    """Processor time of a process and all below it, of their main threads (proc_pid_stat(5))."""
    found: dict[str, int] = {}
    wanted = {ancestor}
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda one: int(one.name)):
        try:
            name, fields = (folder / "task" / folder.name / "stat").read_text().rsplit(")", 1)
        except OSError:
            continue  # It has ended.
        _, parent, *numbers = fields.split()
        if int(folder.name) in wanted or int(parent) in wanted:
            wanted.add(int(folder.name))
            found[f"{name})"] = int(numbers[9]) + int(numbers[10])
    return found


def trust(profile: Path, root: Path) -> None:
    """Put an authority into the store of a profile, as Firefox's own dialog does."""
    profile.mkdir(parents=True, exist_ok=True)
    database = ["certutil", "-d", f"sql:{profile}"]
    subprocess.run([*database, "-N", "--empty-password"], check=True)
    subprocess.run([*database, "-A", "-t", "C,,", "-n", "mixminus", "-i", str(root)], check=True)


@asynccontextmanager
async def sound(folder: Path) -> AsyncIterator[dict[str, str]]:
    """A sound server with one speaker and one silent microphone; the environment of its users.

    Firefox's own fake microphone plays a tone without end, over which nobody is greeted.
    """
    assert PULSEAUDIO is not None
    socket, environment = folder / "sound.socket", {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    process = await asyncio.create_subprocess_exec(
        *[PULSEAUDIO, "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"],
        *["--realtime=no", "--high-priority=no"],  # The kernel ends a busy one that has real time.
        *["-L", "module-null-sink", "-L", "module-null-source"],
        *["-L", f"module-native-protocol-unix socket={socket}"],
        env=environment | {"XDG_RUNTIME_DIR": str(folder)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not socket.exists():
                assert process.returncode is None, "the sound server ends"
                await asyncio.sleep(0.05)
        yield environment | {"PULSE_SERVER": f"unix:{socket}"}
    finally:
        await _end(process)


@asynccontextmanager
async def firefox(profile: Path) -> AsyncIterator[Firefox]:
    """A Firefox without a window; its microphone is silent."""
    profile.mkdir(parents=True, exist_ok=True)
    async with sound(profile) as environment, _running(profile, environment) as found:
        yield found


@asynccontextmanager
async def _running(profile: Path, environment: dict[str, str]) -> AsyncIterator[Firefox]:
    assert FIREFOX is not None
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile)]
    process = await asyncio.create_subprocess_exec(
        *command,
        "--remote-debugging-port=0",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    reading: asyncio.Task[None] | None = None
    try:
        assert process.stderr is not None
        async with asyncio.timeout(2 * PATIENCE_S):
            address = await _address(process.stderr)
        reading = asyncio.create_task(_drop(process.stderr))
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{address}/session", max_msg_size=0) as socket,
        ):
            found = Firefox(socket, process.pid)
            await found.begin()
            yield found
    finally:
        await _end(process)
        if reading is not None:
            reading.cancel()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask it to end; kill it where it does not."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(PATIENCE_S / 4):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _address(stream: asyncio.StreamReader) -> str:
    said = ""
    while line := (await stream.readline()).decode("utf-8", "replace"):
        said += line
        if match := LISTENS.search(line):
            return match[1]
    raise AssertionError(f"Firefox ends: {said[-2000:]}")


async def _drop(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass
