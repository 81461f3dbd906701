"""Call stacks: groups, functions, idle threads, flame graph."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from benchmarks.rig import stacks

MAIN = "Runner.run (asyncio/runners.py:118)"


@pytest.mark.parametrize(
    ("frames", "group"),
    [
        ((MAIN,), "loop"),
        ((MAIN, "StunProtocol.send_data (aioice/ice.py:343)"), "aioice"),
        (
            (MAIN, "StunProtocol.send_data (aioice/ice.py:343)", "sendmsg (libc.so.6)"),
            "kernel: send",
        ),
        (
            (MAIN, "parse_packet (aiortc/rtcsctptransport.py:462)", "Py_DECREF (object.h:537)"),
            "aiortc",
        ),
        ((MAIN, "Session.__process (pylibsrtp/__init__.py:271)"), "OpenSSL"),
        (
            (MAIN, "recv (OpenSSL/SSL.py:2000)", "ossl_aes_gcm_decrypt (cryptography/x.so)"),
            "OpenSSL",
        ),
        ((MAIN, "Socket.send (zmq/sugar/socket.py:713)"), "zmq"),
        (
            (MAIN, "OpusEncoder.encode (openai_link/opus.py:151)", "celt_encode (libopus.so)"),
            "opus",
        ),
        ((MAIN, "DownlinkGate.frame (openai_link/downlink.py:74)"), "ours"),
        (
            ("clone (libc.so.6)", "zmq::epoll_t::loop (libzmq.so)", "epoll_wait (libc.so.6)"),
            "kernel: wake-ups",
        ),
        (("something (else.so)",), "other"),
    ],
)
def test_the_innermost_known_frame_decides(frames: tuple[str, ...], group: str) -> None:
    assert stacks.group_of(frames) == group


def test_parse_adds_up() -> None:
    found = stacks.parse("a (x.py:1);b (x.py:2) 3\n\na (x.py:1) 1\na (x.py:1);b (x.py:2) 2\n")
    assert found == {("a (x.py:1)", "b (x.py:2)"): 5, ("a (x.py:1)",): 1}
    with pytest.raises(ValueError):
        stacks.parse("no count")


def test_threads_that_only_wait_are_left_out() -> None:
    seen = stacks.parse(
        "run (threading.py:10);Connection._recv (multiprocessing/connection.py:395) 9\n"
        "Thread.run (threading.py:1);Condition.wait (threading.py:327);0x7fe0 (libc.so.6) 9\n"
        "clone (libc.so.6);epoll_wait (libc.so.6) 9\n"
        f"{MAIN};epoll_pwait (libc.so.6) 9\n"
        f"{MAIN} 2\n"
        f"{MAIN};Shell._drain (mixer_core/service.py:150);read (libc.so.6) 3\n"
    )
    assert stacks.busy(seen).total() == 5


def test_functions_include_their_c_code_and_forget_lines() -> None:
    seen = stacks.parse(
        "f (a/x.py:1);g (a/y.py:10);malloc (libc.so.6) 2\n"
        "f (a/x.py:1);g (a/y.py:11) 3\n"
        "h (lib.so) 1\n"
    )
    assert stacks.by_function(seen) == {"g (a/y.py)": 5, "h (lib.so)": 1}
    assert stacks.by_group(seen).total() == 6


def test_the_flame_graph_is_xml_with_shares() -> None:
    seen = stacks.parse("f <lambda> (x.py:1);g (y.py:2) 3\nf <lambda> (x.py:9);h (y.py:3) 1\n")
    root = ET.fromstring(stacks.flame_svg(seen, "a & b"))
    titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ["f <lambda> (x.py): 100.0 %", "g (y.py): 75.0 %", "h (y.py): 25.0 %"]


def test_what_every_stack_has_is_left_out_of_the_drawing() -> None:
    start = "0x7fbf (libc.so.6);<module> (<string>:1);main (multiprocessing/forkserver.py:274)"
    seen = stacks.parse(
        f"{start};f (a/x.py:1);run_forever (loop.c:33192);Py_DECREF (object.h:537);g (a/x.py:7) 2\n"
        f"{start};f (a/x.py:2);g (a/x.py:8) 1\n"
    )
    assert stacks.plain(seen) == {("f (a/x.py)", "g (a/x.py)"): 3}


def test_no_samples_is_an_empty_graph() -> None:
    assert stacks.flame_svg({}, "nothing").startswith("<svg")
