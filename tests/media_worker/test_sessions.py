"""Sessions through a real worker: real processes, real data channels, real ZeroMQ sockets."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiortc import RTCPeerConnection

from mixer_core.bus import control, frames, pcm
from mixer_core.bus.frames import Kind
from mixer_core.bus.rules import AdminRules
from tests.support.waiting import PATIENCE_S, until

from .conftest import Host, MakeHost
from .edges import Browser, Edges, join, use_loopback

pytestmark = pytest.mark.processes
TONE = struct.pack("<480h", *(int(9000 * math.sin(i / 7)) for i in range(480)))


def run(host: Host, scenario: Callable[[Edges], Awaitable[None]]) -> None:
    """Run a scenario with edges of its own."""

    async def main() -> None:
        edges = Edges(host.runtime_dir)
        try:
            await asyncio.wait_for(scenario(edges), 2 * PATIENCE_S)
        finally:
            edges.close()

    asyncio.run(main())


def loud(edges: Edges, stream: int) -> list[frames.Frame]:
    return [frame for frame in edges.of_kind(Kind.AUDIO, stream) if frame.payload != pcm.SILENCE]


def test_plain_audio_goes_both_ways_unchanged(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        browser, joined = await join(edges, framed=False)
        sent = b"".join(struct.pack("<h", 1 + i % 3000) for i in range(4800))
        before_ns = time.monotonic_ns()
        for start in range(0, len(sent), 1366):
            browser.audio.send(sent[start : start + 1366])
            await asyncio.sleep(0.005)
        await until(lambda: len(edges.of_kind(Kind.AUDIO, joined.stream)) == 10, "uplink")
        audio = edges.of_kind(Kind.AUDIO, joined.stream)
        assert b"".join(frame.payload for frame in audio) == sent
        assert [frame.seq for frame in audio] == list(range(10))
        assert before_ns < audio[-1].stamp_ns < time.monotonic_ns()
        for seq in range(5):
            edges.publish(
                Kind.AUDIO, joined.stream, seq=seq, stamp_ns=time.monotonic_ns(), payload=TONE
            )
            await asyncio.sleep(0.02)
        await until(lambda: len(browser.heard) == 5, "downlink")
        assert set(browser.heard) == {TONE}
        await browser.close()

    run(worker_host, scenario)


def test_framed_audio_goes_both_ways_with_headers(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        edges.epoch = 5
        browser, joined = await join(edges, framed=True)
        assert browser.of_type("welcome")[0]["epoch"] == 5
        for seq in range(100, 110):
            browser.send_frame(seq, TONE, flags=frames.FLAG_PAUSE if seq == 109 else 0)
            await asyncio.sleep(0.01)
        await until(lambda: len(edges.of_kind(Kind.AUDIO, joined.stream)) == 10, "uplink")
        audio = edges.of_kind(Kind.AUDIO, joined.stream)
        assert sorted(frame.seq for frame in audio) == list(range(100, 110))
        assert {frame.epoch for frame in audio} == {5}
        assert audio[-1].flags == frames.FLAG_PAUSE
        stamp_ns = time.monotonic_ns()
        edges.publish(Kind.AUDIO, joined.stream, seq=3, stamp_ns=stamp_ns, payload=TONE)
        edges.publish(Kind.AUDIO, joined.stream, seq=4, epoch=4, stamp_ns=stamp_ns, payload=TONE)
        edges.publish(Kind.AUDIO, joined.stream, seq=5, stamp_ns=1, payload=TONE)
        await until(lambda: browser.heard, "downlink")
        edges.event(joined.stream, type="caption", speaker="Bob", item="i", text="hi", final=True)
        await browser.receive("caption")
        expected = frames.Frame(Kind.AUDIO, joined.stream, 5, 3, 0, stamp_ns, TONE)
        assert [frames.decode(data) for data in browser.heard] == [expected]
        await browser.close()

    run(worker_host, scenario)


def test_control_goes_both_ways(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        browser, joined = await join(edges, framed=True)
        assert edges.starts(joined.stream)[0].name == "Ada"
        browser.say(type="hello", name="Eve")
        await until(lambda: edges.starts(joined.stream)[-1].name == "Eve", "hello")
        await until(lambda: _state(edges, joined.participant).name == "Eve", "state")
        browser.say(type="say", text="hello there")
        await until(lambda: edges.events(joined.stream), "say")
        assert edges.events(joined.stream)[0]["name"] == "Eve"
        browser.say(type="ping", t=42)
        assert await browser.receive("pong") == [{"type": "pong", "t": 42}]
        edges.epoch = 1
        edges.publish(Kind.FLUSH, joined.stream)
        assert await browser.receive("flush") == [{"type": "flush", "epoch": 1}]
        count = len(edges.starts(joined.stream))
        edges.event(joined.stream, type="identify")
        await until(lambda: len(edges.starts(joined.stream)) > count, "START")
        await browser.close()

    run(worker_host, scenario)


def _state(edges: Edges, participant: str) -> control.WorkerState:
    state = edges.worker_of(participant)
    assert state is not None
    return state


def test_mute_stops_the_audio_with_a_pause(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        browser, joined = await join(edges, framed=False)
        browser.audio.send(TONE)
        browser.say(type="mute", muted=True)
        browser.audio.send(TONE * 3)
        await until(lambda: len(edges.of_kind(Kind.AUDIO, joined.stream)) == 2, "pause")
        assert edges.of_kind(Kind.AUDIO, joined.stream)[1].flags == frames.FLAG_PAUSE
        await until(lambda: edges.starts(joined.stream)[-1].muted, "start")
        browser.say(type="mute", muted=False)
        browser.audio.send(TONE)
        await until(lambda: len(loud(edges, joined.stream)) == 2, "unmuted")
        await browser.close()

    run(worker_host, scenario)


def test_bad_input_is_answered_and_the_session_goes_on(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        browser, joined = await join(edges, framed=False)
        for text in ("{", '{"type":"dance"}', '{"type":"mute","muted":3}'):
            browser.control.send(text)
        for _ in range(5):
            browser.audio.send(b"\1" * 959)
        _send_invalid_utf8(browser)
        codes = ["bad_json", "unknown_type", "bad_field", "odd_length", "bad_json"]
        errors = await browser.receive("error", len(codes))
        assert [error["code"] for error in errors] == codes
        browser.audio.send(TONE)
        await until(lambda: loud(edges, joined.stream), "the session goes on")
        await until(lambda: _bad_messages(edges, joined.participant) == 9, "counted")
        await browser.close()

    run(worker_host, scenario)


def _send_invalid_utf8(browser: Browser) -> None:
    sctp = browser.pc.sctp
    sctp._data_channel_queue.append((browser.audio, 51, b"\xff\xfe"))
    browser.audio._addBufferedAmount(2)


def _bad_messages(edges: Edges, participant: str) -> Any:
    return _state(edges, participant).metrics["bad_messages_total"]


def test_frames_of_a_wrong_version_are_reported_once(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        browser, joined = await join(edges, framed=True)
        wrong = bytearray(frames.encode_audio(0, 0, 0, 0, 0, TONE))
        wrong[4] = 9
        for _ in range(20):
            browser.audio.send(bytes(wrong))
        browser.audio.send(frames.encode_audio(0, 0, 0, 0, 0, TONE[:400]))
        browser.control.send(b"binary")
        await browser.receive("error", 3)
        browser.send_frame(0, TONE)
        await until(lambda: loud(edges, joined.stream), "the session goes on")
        codes = sorted(error["code"] for error in browser.of_type("error"))
        assert codes == ["binary_control", "frame_length", "frame_version"]
        await browser.close()

    run(worker_host, scenario)


def test_an_unknown_channel_protocol_is_named(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        browser = Browser(framed=True, protocol="mixminus.v9")
        joined = await edges.offer(await browser.sdp())
        assert isinstance(joined.reply, control.Answer)
        await browser.accept(joined.reply.sdp)
        assert (await browser.receive("error"))[0]["code"] == "protocol"
        await until(lambda: _ended(edges, joined.worker), "given up")
        await browser.close()

    run(worker_host, scenario)


def _ended(edges: Edges, worker: str) -> control.ChildExited | None:
    return next((exited for exited in edges.exits if exited.child == worker), None)


def test_a_dead_peer_is_noticed_and_a_quiet_one_is_kept(make_host: MakeHost) -> None:
    async def scenario(edges: Edges) -> None:
        quiet, stays = await join(edges, framed=False)
        browser, joined = await join(edges, framed=True)
        browser.send_frame(0, TONE)
        await until(lambda: loud(edges, joined.stream), "uplink")
        browser.unplug()
        await until(lambda: edges.of_kind(Kind.STOP, joined.stream), "STOP")
        exited = await until(lambda: _ended(edges, joined.worker), "child ended")
        assert exited == control.ChildExited("media_worker", joined.worker, 0)
        assert edges.closed[joined.participant] == "nothing came for 3 s"
        quiet.audio.send(TONE)
        await until(lambda: loud(edges, stays.stream), "the quiet one talks")
        await quiet.close()

    run(make_host(MEDIA_WORKER__PEER_SILENCE_MS=3_000), scenario)


def test_a_long_piece_of_a_plain_client_arrives_whole(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        browser, joined = await join(edges, framed=False)
        sent = b"".join(struct.pack("<h", 1 + i % 30_000) for i in range(480 * 50))
        browser.audio.send(sent)
        await until(lambda: len(loud(edges, joined.stream)) == 50, "uplink")
        assert b"".join(frame.payload for frame in loud(edges, joined.stream)) == sent
        await browser.close()

    run(worker_host, scenario)


def test_a_browser_that_leaves_is_noticed_at_once(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        browser, joined = await join(edges, framed=False)
        await browser.close()
        await until(lambda: edges.of_kind(Kind.STOP, joined.stream), "STOP")
        why = await until(lambda: edges.closed.get(joined.participant), "why it ended")
        assert why == "the browser closed its channel", "not only its silence"

    run(worker_host, scenario)


def test_what_an_admin_decides_while_the_offer_is_answered_is_not_lost(worker_host: Host) -> None:
    rules = AdminRules(stop="speak")

    async def scenario(edges: Edges) -> None:
        browser = Browser(framed=True)
        behind = (
            lambda participant: control.Silence(participant, True, True),
            lambda participant: control.SetRoom(participant, "conference", rules),
        )
        joined = await edges.offer(await browser.sdp(), behind=behind)
        assert isinstance(joined.reply, control.Answer), joined.reply
        await browser.accept(joined.reply.sdp)
        (welcome,) = await browser.receive("welcome")
        assert (welcome["silenced"], welcome["mode"]) == (True, "conference")
        assert welcome["rules"]["stop"] == "speak"
        state = edges.worker_of(joined.participant)
        assert state is not None and state.muted and state.silenced and state.rules == rules
        await browser.close()

    run(worker_host, scenario)


def test_who_has_to_leave_while_the_offer_is_answered_does(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        browser = Browser(framed=True)
        worker = (await until(edges.idle, "no idle worker"))[0]
        leave = control.Leave
        offering = asyncio.create_task(edges.offer(await browser.sdp(), 0, worker, (leave,)))
        exited = await until(lambda: _ended(edges, worker), "child ended")
        assert exited.exit_code == 0
        offering.cancel()
        await browser.close()

    run(worker_host, scenario)


def test_leave_ends_the_session_and_the_browser_notices(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        browser, joined = await join(edges, framed=True)
        edges.send(joined.worker, control.Leave("p-somebody"))
        edges.send(joined.worker, control.Leave(joined.participant))
        await until(lambda: edges.of_kind(Kind.STOP, joined.stream), "STOP")
        await asyncio.wait_for(browser.closed.wait(), PATIENCE_S)
        exited = await until(lambda: _ended(edges, joined.worker), "child ended")
        assert exited.exit_code == 0
        await browser.close()

    run(worker_host, scenario)


def test_a_killed_child_is_reported_and_replaced(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        browser, joined = await join(edges, framed=True)
        state = await until(lambda: edges.worker_of(joined.participant), "state")
        os.kill(state.pid, signal.SIGKILL)
        exited = await until(lambda: _ended(edges, joined.worker), "ChildExited")
        assert exited.exit_code == -signal.SIGKILL
        await until(lambda: len(edges.idle()) >= 2, "idle children")
        await until(lambda: edges.heartbeats and edges.heartbeats[-1].ready, "ready")
        await browser.close()

    run(worker_host, scenario)


@pytest.mark.parametrize(
    ("sdp", "words"),
    [
        ("hello", "v=0"),
        ("v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", "data channel"),
        (
            "v=0\r\nm=application x UDP/DTLS/SCTP webrtc-datachannel\r\na=ice-ufrag:a\r\n"
            "a=fingerprint:x\r\na=sctp-port:y\r\n",
            "cannot be understood",
        ),
        (  # aiortc cannot close the connection that it makes of this.
            "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE t 0\r\n"
            "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n"
            "a=fingerprint:sha-256 00:11\r\nm=text 9 UDP/TLS/RTP/SAVPF 98\r\n"
            "c=IN IP4 0.0.0.0\r\na=mid:t\r\n"
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n"
            "a=mid:0\r\na=sctp-port:5000\r\n",
            "do not go the way of its data channel",
        ),
    ],
)
def test_a_bad_offer_is_refused_and_the_child_stays_idle(
    worker_host: Host, sdp: str, words: str
) -> None:
    async def scenario(edges: Edges) -> None:
        joined = await edges.offer(sdp)
        assert isinstance(joined.reply, control.Refused)
        assert joined.reply.status == 400
        assert words in joined.reply.detail
        await until(lambda: joined.worker in edges.idle(), "idle again")

    run(worker_host, scenario)


def test_a_busy_child_refuses_a_second_browser(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        browser, joined = await join(edges, framed=False)
        second = await edges.offer("v=0", worker=joined.worker)
        assert isinstance(second.reply, control.Refused)
        assert second.reply.status == 503
        browser.audio.send(TONE)
        await until(lambda: loud(edges, joined.stream), "the session goes on")
        await browser.close()

    run(worker_host, scenario)


def test_an_offer_with_local_names_and_an_end_of_candidates_connects(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        browser = Browser(framed=True)
        lines = (await browser.sdp()).splitlines()
        kept = [line for line in lines if not line.startswith("a=candidate")]
        local = "a=candidate:1 1 udp 2113937151 3f1c1a52-0d8a.local 50123 typ host"
        where = kept.index("a=end-of-candidates") if "a=end-of-candidates" in kept else len(kept)
        offer = "\r\n".join([*kept[:where], local, "a=end-of-candidates", *kept[where + 1 :], ""])
        joined = await edges.offer(offer)
        assert isinstance(joined.reply, control.Answer)
        await browser.accept(joined.reply.sdp)
        await browser.receive("welcome")
        await browser.close()

    run(worker_host, scenario)


def test_a_microphone_track_in_the_offer_is_declined(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        use_loopback()
        browser = Browser(framed=False)
        assert isinstance(browser.pc, RTCPeerConnection)
        browser.pc.addTransceiver("audio")
        joined = await edges.offer(await browser.sdp())
        assert isinstance(joined.reply, control.Answer), joined.reply
        assert "a=inactive" in joined.reply.sdp
        await browser.accept(joined.reply.sdp)
        await browser.receive("welcome")
        await browser.close()

    run(worker_host, scenario)


def test_a_restarted_mixer_hears_of_the_stream_within_a_moment(worker_host: Host) -> None:
    async def scenario(edges: Edges) -> None:
        browser, joined = await join(edges, framed=False)
        edges.close()
        fresh = Edges(worker_host.runtime_dir)
        try:
            await until(lambda: fresh.starts(joined.stream), "START")
            browser.audio.send(TONE)
            await until(lambda: loud(fresh, joined.stream), "the session goes on")
            fresh.publish(Kind.AUDIO, joined.stream, stamp_ns=time.monotonic_ns(), payload=TONE)
            await until(lambda: browser.heard, "downlink")
            await browser.close()
        finally:
            fresh.close()

    run(worker_host, scenario)
