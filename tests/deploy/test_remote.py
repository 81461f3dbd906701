"""``mixminus reload`` against supervisors that do not do what they should."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
import time
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy import remote

pytestmark = pytest.mark.sockets
LIMIT_S = 0.2
CHANGES = [["signaling", "max_rooms", "now"]]


def http(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def said(value: object) -> bytes:
    return http(xmlrpc.client.dumps((value,), methodresponse=True).encode())


def request(connection: socket.socket) -> bytes:
    """All of it."""
    got = b""
    while not (found := re.search(rb"Content-Length: (\d+).*?\r\n\r\n", got, re.S)) or (
        len(got) < found.end() + int(found[1])
    ):
        piece = connection.recv(65_536)
        if not piece:
            break
        got += piece
    return got


@contextmanager
def supervisor(folder: Path, answer: bytes | None) -> Iterator[tuple[Path, list[bytes]]]:
    """Behind its path: takes connections and says ``answer``; None: it is stopped."""
    path, asked = folder / "s", list[bytes]()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    asked.append(request(connection))
                    connection.sendall(answer or b"")

        thread = threading.Thread(target=serve)
        if answer is not None:
            thread.start()
        try:
            yield path, asked
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            if answer is not None:
                thread.join()


def test_the_answer_is_read_and_the_password_is_told(short_dir: Path) -> None:
    told = said(json.dumps({"refused": "", "changes": CHANGES}))
    with supervisor(short_dir, told) as (path, asked):
        answer = remote.ask_reload(path)
    assert answer == {"refused": "", "changes": [("signaling", "max_rooms", "at once")]}
    assert base64.b64encode(b"mixminus:mixminus") in asked[0] and b"mixminus.reload" in asked[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "does not answer within"),
        (b"", "does it run"),
        (http(b"", "500 Internal Server Error"), "cannot be asked"),
        (http(b"", "401 Unauthorized"), "cannot be asked"),
        (http(b"this is no XML"), "cannot be asked"),
        (http(xmlrpc.client.dumps(xmlrpc.client.Fault(1, "UNKNOWN_METHOD")).encode()), "be asked"),
        (b"no HTTP at all\r\n\r\n", "cannot be asked"),
        (said("no JSON"), "another release"),
        (said("[]"), "another release"),
        (said('{"refused": "", "changes": [["a", "b", "some day"]]}'), "another release"),
    ],
)
def test_whatever_the_supervisor_does_one_line_says_so(
    short_dir: Path, answer: bytes | None, words: str
) -> None:
    began_s = time.monotonic()
    with (
        supervisor(short_dir, answer) as (path, _),
        pytest.raises(remote.NoAnswerError, match=words) as found,
    ):
        remote.ask_reload(path, LIMIT_S if answer is None else remote.ANSWER_S)
    assert "\n" not in str(found.value)
    assert answer is not None or time.monotonic() - began_s >= LIMIT_S


def test_nobody_is_there(short_dir: Path) -> None:
    with pytest.raises(remote.NoAnswerError, match="does it run"):
        remote.ask_reload(short_dir / "s")
