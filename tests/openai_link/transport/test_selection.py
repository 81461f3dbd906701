"""Which transport the next connection uses."""

from __future__ import annotations

from mixer_core.runtime.units import S_NS
from openai_link.realtime.problems import Problem
from openai_link.settings import OpenaiLinkSettings
from openai_link.transport.selection import REMEMBER_NS, WEBRTC_TIMEOUT_NS, TransportSelection

SLOW = Problem("connect_timeout", "Too slow.", True)
BROKEN = Problem("server_error", "Broken.", True, 503)
GONE = Problem("peer_silent", "Nothing was heard.", True)
REFUSED = Problem("unreachable", "Nobody is there.", True)
KEY = Problem("invalid_api_key", "The key is wrong.", False, 401)


def auto() -> TransportSelection:
    return TransportSelection(OpenaiLinkSettings())


def test_a_fixed_transport_is_kept() -> None:
    selection = TransportSelection(OpenaiLinkSettings(transport="webrtc"))
    assert not selection.failed("webrtc", SLOW, answered=True, was_ready=False)
    assert selection.choose(0) == "webrtc"
    assert selection.timeout_ns("webrtc", 10 * S_NS) == 10 * S_NS
    assert TransportSelection(OpenaiLinkSettings(transport="websocket")).choose(0) == "websocket"


def test_media_that_do_not_come_up_lead_to_a_websocket_at_once() -> None:
    selection = auto()
    assert selection.timeout_ns("webrtc", 10 * S_NS) == WEBRTC_TIMEOUT_NS
    assert selection.failed("webrtc", SLOW, answered=True, was_ready=False)
    assert selection.choose(0) == "websocket"
    selection.connected("websocket", 5)
    assert selection.choose(5 + REMEMBER_NS - 1) == "websocket"
    assert selection.choose(5 + REMEMBER_NS) == "webrtc"


def test_server_errors_count_twice_and_a_refused_connection_never() -> None:
    selection = auto()
    assert not selection.failed("webrtc", BROKEN, answered=False, was_ready=False)
    assert not selection.failed("webrtc", REFUSED, answered=False, was_ready=False)
    assert selection.failed("webrtc", SLOW, answered=False, was_ready=False)


def test_two_silences_in_a_row_lead_to_a_websocket() -> None:
    selection = auto()
    assert not selection.failed("webrtc", GONE, answered=True, was_ready=True)
    selection.stable()
    assert not selection.failed("webrtc", GONE, answered=True, was_ready=True)
    assert selection.failed("webrtc", GONE, answered=True, was_ready=True)


def test_a_refusal_that_both_would_meet_changes_nothing() -> None:
    selection = auto()
    assert not selection.failed("webrtc", KEY, answered=False, was_ready=False)
    assert selection.choose(0) == "webrtc"


def test_a_websocket_that_fails_is_not_preferred_any_more() -> None:
    selection = TransportSelection(OpenaiLinkSettings(), websocket_until_ns=REMEMBER_NS)
    assert selection.choose(0) == "websocket"
    assert not selection.failed("websocket", REFUSED, answered=False, was_ready=False)
    assert selection.choose(0) == "webrtc"
