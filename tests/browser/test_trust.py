"""Chromium with the local authority in its store: no warning for us, and none but us."""

from __future__ import annotations

import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from signaling.tls import authority
from signaling.tls.authority import Authority
from tests.browser.conftest import CHROMIUM, FLAGS, require
from tests.signaling.tls.forging import forged
from tests.signaling.tls.handshakes import server as context_of

pytestmark = pytest.mark.browser
NOW = datetime.now(UTC)
OURS, FOREIGN = "mixminus.local", "bank.example"


class _Hello(http.server.BaseHTTPRequestHandler):
    """One page, without a log."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def https(pem: bytes) -> Iterator[int]:
    """The port of a server that shows ``pem``."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hello)
    server.socket = context_of(pem).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def store(home: Path, trusted: Authority) -> None:
    """Chromium's store of certificates under ``home``, with the root in it."""
    require(shutil.which("certutil"), "certutil is not installed: apt install libnss3-tools")
    folder = home / ".pki" / "nssdb"
    folder.mkdir(parents=True)
    root = home / "root.crt"
    root.write_bytes(trusted.root_pem())
    database = ["certutil", "-d", f"sql:{folder}"]
    subprocess.run([*database, "-N", "--empty-password"], check=True)
    subprocess.run([*database, "-A", "-t", "C,,", "-n", "mixminus", "-i", str(root)], check=True)


@contextmanager
def chromium(home: Path) -> Iterator[Any]:
    """A browser that believes every name to be this machine, with ``home`` as its home."""
    require(CHROMIUM, "Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[*FLAGS, "--host-resolver-rules=MAP * 127.0.0.1"],
            env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        )
        try:
            yield browser
        finally:
            browser.close()


def verdict(browser: Any, pem: bytes, name: str) -> str:
    """``hello``, or the error with which Chromium refuses the page."""
    from playwright.sync_api import Error

    page = browser.new_page()
    with https(pem) as port:
        try:
            page.goto(f"https://{name}:{port}/")
            return str(page.inner_text("body"))
        except Error as error:
            return str(error).partition("net::")[2].split()[0]
        finally:
            page.close()


def test_the_authority_vouches_for_us_and_for_no_site_on_the_internet(short_dir: Path) -> None:
    ours = authority.create([OURS], NOW)
    store(short_dir, ours)
    genuine = authority.issue(ours, [OURS], [], NOW)
    stranger = authority.issue(authority.create([OURS], NOW), [OURS], [], NOW)
    with chromium(short_dir) as browser:
        found = {
            "ours": verdict(browser, genuine, OURS),
            "of another authority": verdict(browser, stranger, OURS),
            "forged": verdict(browser, forged(ours, x509.DNSName(FOREIGN), NOW), FOREIGN),
            "forged, permitted": verdict(
                browser, forged(ours, x509.DNSName("a.local"), NOW), "a.local"
            ),
        }
    print(found)
    assert found["ours"] == found["forged, permitted"] == "hello"
    assert found["of another authority"] == "ERR_CERT_AUTHORITY_INVALID"
    assert found["forged"] in ("ERR_CERT_INVALID", "ERR_CERT_NAME_CONSTRAINT_VIOLATION")
