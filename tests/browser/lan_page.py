"""Phones on the local network: browsers in one network, the gateway in another, a cable between.

Run inside a fresh network namespace: ``unshare -n python -m tests.browser.lan_page FOLDER
VISIT...``; a visit is BROWSER-MODE: BROWSER ``chromium`` or ``firefox``, MODE ``clicked`` (through
the warning), ``trusted`` (the authority in the browser's store) or ``listen`` (plain HTTP). All
visit one gateway, each a room of its own, one after the other. Prints the findings by visit as the
last line; of a visit that fails, what was raised, as ``failed``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import traceback
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, sync_playwright

from mixer_core.bus.roles import Role
from signaling.access.desk import Desk
from signaling.access.ledger import Ledger
from signaling.access.links import link
from tests.browser import firefox
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.firefox_phone import STUCK
from tests.browser.support import HEARS, until
from tests.support import audio
from tests.support.gateway import Gateway, free_port

GATEWAY, PHONE = "10.7.0.1", "10.7.0.9"
HOME = "home"
"""The room of an address that names none: the page for listeners is for it."""
COUNT = """
window.played = 0;
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...args) {
  if (this.buffer.getChannelData(0).some((sample) => Math.abs(sample) > 0.003))
    window.played += this.buffer.length;
  return start.apply(this, args);
};
"""


def run(*words: str) -> None:
    """One command."""
    subprocess.run(words, check=True)


@contextmanager
def cable() -> Iterator[int]:
    """A veth pair between this network and a new one; the process id that holds the new one."""
    holder = subprocess.Popen(["unshare", "-n", "sleep", "600"])
    try:
        time.sleep(0.5)
        run("ip", "link", "set", "lo", "up")
        run(*f"ip link add v0 type veth peer name v1 netns {holder.pid}".split())
        run(*f"ip address add {GATEWAY}/24 dev v0".split())
        run(*["ip", "link", "set", "v0", "up"])
        there = f"nsenter -t {holder.pid} -n ip".split()
        run(*there, *["link", "set", "lo", "up"])
        run(*there, *f"address add {PHONE}/24 dev v1".split())
        run(*there, *["link", "set", "v1", "up"])
        yield holder.pid
    finally:
        holder.kill()
        holder.wait()


def launcher(folder: Path, network: int) -> Path:
    """A script that starts Chromium in the other network."""
    script = folder / "chromium"
    script.write_text(f'#!/bin/sh\nexec nsenter -t {network} -n {CHROMIUM} "$@"\n')
    script.chmod(0o755)
    return script


def trust(home: Path, root: Path) -> None:
    """Put the authority into Chromium's store below ``home``."""
    folder = home / ".pki" / "nssdb"
    folder.mkdir(parents=True, exist_ok=True)
    database = ["certutil", "-d", f"sql:{folder}"]
    run(*database, "-N", "--empty-password")
    run(*database, "-A", "-t", "C,,", "-n", "mixminus", "-i", str(root))


def visit(page: Any, address: str) -> int:
    """Open ``address``; returns the taps that the warning took."""
    try:
        page.goto(address)
        return 0
    except Error as error:
        assert "ERR_CERT_AUTHORITY_INVALID" in str(error), error
    page.locator("#details-button").click()
    page.locator("#proceed-link").click()
    page.wait_for_selector("#join-button")
    return 2


def listen(page: Any, address: str, gateway: Gateway) -> dict[str, Any]:
    """Hear and read over plain HTTP, until an admin closes the room."""
    page.add_init_script(COUNT)
    began = time.monotonic()
    page.goto(address)
    page.get_by_role("button", name="Listen", exact=True).click()
    said = "() => [...document.querySelectorAll('.said .text')].map((one) => one.textContent)"
    until(page, f"() => ({said})().some((text) => text.includes('simulator'))", "no caption")
    until(page, "() => window.played > 24000", "nothing is played")
    first_second_s = round(time.monotonic() - began, 2)
    text = page.evaluate(said)
    close = urllib.request.Request(f"{gateway.url}/rooms/{HOME}", method="DELETE")
    urllib.request.urlopen(close).close()
    until(page, "() => /closed the room/.test(document.body.innerText)", "no word of it")
    return {
        "taps": 1,
        "first_second_s": first_second_s,
        "shows_the_form_again": page.locator("#form").is_visible(),
        "secure": page.evaluate("isSecureContext"),
        "address": page.url,
        "text": text,
    }


def on_firefox(network: int, profile: Path, address: str) -> str:
    """What the phone found, as JSON; Firefox and what drives it are both in its network."""
    command = ["nsenter", "-t", str(network), "-n", sys.executable]
    words = [*command, "-m", "tests.browser.firefox_phone", str(profile), address]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()[-1]


class House:
    """The gateway, the network that its guests are in, and invitations."""

    def __init__(self, gateway: Gateway, https_port: int, network: int) -> None:
        self.gateway, self.network = gateway, network
        self._port = https_port
        self._state = gateway.dir / "state"
        self.authority = self._state / "tls" / "authority.crt"

    def invitation(self, room: str, role: Role) -> str:
        """The address of a link into ``room``."""
        _, token = Desk(Ledger(self._state)).invite(
            [room], role, "Ada", 600, True, int(time.time())
        )
        address = link(f"https://{GATEWAY}:{self._port}/", token)
        if role == "listen":
            plain = f"http://{GATEWAY}:{self.gateway.port}/listen"
            return address.replace(f"https://{GATEWAY}:{self._port}/", plain)
        return address


def visit_with_firefox(house: House, mode: str, folder: Path) -> Any:
    """From the link to the first sample of the reply.

    Firefox gets stuck now and then as it opens its sound server, with all its processes waiting;
    then another one tries in another room, twice at most. Where all do, this is what is found.
    """
    for attempt in ("", "-again", "-last"):
        try:
            return _visit_with_firefox(house, mode, folder / f"profile{attempt}", attempt)
        except subprocess.CalledProcessError as error:
            if error.returncode != STUCK:
                raise
    return {"stuck": "Firefox itself stands still, with all its processes waiting, three times"}


def _visit_with_firefox(house: House, mode: str, profile: Path, attempt: str) -> Any:
    if mode == "trusted":
        firefox.trust(profile, house.authority)
    invitation = house.invitation(f"firefox-{mode}{attempt}", "admin")
    return json.loads(on_firefox(house.network, profile, invitation))


def visit_with_chromium(house: House, mode: str, folder: Path) -> Any:
    """From the link to the first sample of the reply, or to the end of the room."""
    if mode == "trusted":
        trust(folder, house.authority)
    if mode == "listen":
        address = house.invitation(HOME, "listen")
    else:
        address = house.invitation(f"chromium-{mode}", "admin")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(launcher(folder, house.network)),
            args=[*FLAGS, f"--use-file-for-fake-audio-capture={audio.SENTENCE}%noloop"],
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        )
        page = browser.new_page()
        found = listen(page, address, house.gateway) if mode == "listen" else talk(page, address)
        browser.close()
    return found


def talk(page: Any, address: str) -> dict[str, Any]:
    """The whole way from the link to the first sample of the greeting."""
    began = time.monotonic()
    taps = visit(page, address)
    page.get_by_role("button", name="Join", exact=True).click()
    taps += 1
    joined_s = time.monotonic() - began
    until(page, HEARS, "no sample of the reply")
    return {
        "taps": taps,
        "join_tapped_s": round(joined_s, 2),
        "first_sample_s": round(time.monotonic() - began, 2),
        "secure": page.evaluate("isSecureContext"),
        "address": page.url,
        "name": page.evaluate("mixminus.state().name"),
    }


def main() -> None:
    """All visits."""
    visitors = {"chromium": visit_with_chromium, "firefox": visit_with_firefox}
    https_port = free_port()
    found = {}
    with (
        cable() as network,
        Gateway(
            SIGNALING__LAN="true", SIGNALING__HTTPS_PORT=https_port, SIGNALING__MDNS="false"
        ) as gateway,
    ):
        house = House(gateway, https_port, network)
        for name in sys.argv[2:]:
            browser, _, mode = name.partition("-")
            folder = Path(sys.argv[1], name)
            folder.mkdir()
            try:
                found[name] = visitors[browser](house, mode, folder)
            except Exception:  # The other visits go on.
                found[name] = {"failed": traceback.format_exc() + gateway.log[-3_000:]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
