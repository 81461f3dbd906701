from __future__ import annotations

from pathlib import Path

import pytest
import zmq

from mixer_core.bus import endpoints
from mixer_core.runtime.errors import RuntimeDirError
from tests.support.waiting import PATIENCE_S


@pytest.mark.sockets
def test_nothing_is_queued_for_a_mixer_that_is_not_there(short_dir: Path) -> None:
    with zmq.Context() as context:
        push = endpoints.open_socket(context, endpoints.AUDIO_IN, short_dir, "connect")
        assert not endpoints.try_send(push, b"stale")
        push.close()


@pytest.mark.sockets
def test_a_restarted_mixer_is_not_handed_stale_frames(short_dir: Path) -> None:
    with zmq.Context() as context:
        pull = endpoints.open_socket(context, endpoints.AUDIO_IN, short_dir, "bind")
        push = endpoints.open_socket(context, endpoints.AUDIO_IN, short_dir, "connect")
        assert push.poll(1_000 * PATIENCE_S, zmq.POLLOUT)
        pull.close()
        while endpoints.try_send(push, b"while it was down"):
            push.poll(1)
        pull = endpoints.open_socket(context, endpoints.AUDIO_IN, short_dir, "bind")
        while not endpoints.try_send(push, b"fresh"):
            push.poll(10, zmq.POLLOUT)
        assert pull.poll(1_000 * PATIENCE_S)
        assert pull.recv() == b"fresh"
        push.close()
        pull.close()


@pytest.mark.sockets
def test_a_full_queue_drops_and_says_so(short_dir: Path) -> None:
    with zmq.Context() as context:
        pull = endpoints.open_socket(context, endpoints.AUDIO_IN, short_dir, "bind")
        push = endpoints.open_socket(context, endpoints.AUDIO_IN, short_dir, "connect")
        assert push.poll(1_000 * PATIENCE_S, zmq.POLLOUT)
        accepted = sum(endpoints.try_send(push, bytes(984)) for _ in range(5000))
        assert accepted < 5000
        push.close()
        pull.close()


def test_a_path_that_is_too_long_for_a_socket_is_refused() -> None:
    with pytest.raises(RuntimeDirError, match="MIXMINUS_RUNTIME__DIR"):
        endpoints.AUDIO_IN.url(Path("/tmp/" + "x" * 120))
