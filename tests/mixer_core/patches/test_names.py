"""Every private name that is used: it is in its library's table, and it is what the code expects.

The shapes are those of the installed library, seen on two peers that are connected.
"""

from __future__ import annotations

import ast
import asyncio
import enum
import inspect
from collections import deque
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

import aioice.ice
import aioice.mdns
import aiortc.rtcsctptransport as aiortc_sctp
import pytest
from aiortc import RTCPeerConnection, RTCRtpCodecParameters
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtcsctptransport import InboundStream
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, RtpPacket
from OpenSSL import SSL, _util
from pylibsrtp import Session

from mixer_core.patches import aiohttp, aiortc, pyopenssl
from mixer_core.patches import aioice as aioice_names
from openai_link.media.packet_track import PacketTrack, send_directly
from tests.support.loopback import negotiate, pair, run
from tests.support.waiting import until

FOLDER = Path(aiortc.__file__).parents[1]


class Takes(NamedTuple):
    """A function, by the names of its parameters."""

    parameters: str = ""
    is_async: bool = False


class Each(NamedTuple):
    """A dict with values of this type, or an empty one."""

    of: type


Shape = type | tuple[type, ...] | Takes | Each
NUMBER = (int, float)
SILENT_PACKET = b"\xf8\xff\xfe"
SHAPES: dict[str, dict[str, Shape]] = {
    "RTCIceTransport": {"_connection": aioice.Connection},
    "RTCDtlsTransport": {
        "_state": enum.Enum,
        "_ssl": SSL.Connection,
        "_data_receiver": object,
        "_write_ssl": Takes(is_async=True),
        "_role": str,
        "_set_role": Takes("role"),
        "_rtp_router": object,
        "_rx_srtp": Session,
        "_tx_srtp": Session,
        **dict.fromkeys(
            [
                f"_RTCDtlsTransport__{way}_{unit}"
                for way in ("rx", "tx")
                for unit in ("bytes", "packets")
            ],
            int,
        ),
    },
    "RtpRouter": {"receivers": set},
    "rtcsctptransport": {"decode_params": Takes("body")},
    "RTCSctpTransport": {
        "_loop": asyncio.AbstractEventLoop,
        "_association_state": enum.Enum,
        "_local_port": int,
        "_remote_port": int,
        "_local_verification_tag": int,
        "_remote_verification_tag": int,
        "_last_received_tsn": int,
        "_sack_needed": bool,
        "_sack_misordered": set,
        "_sack_duplicates": list,
        "_advertised_rwnd": int,
        "_inbound_streams": Each(InboundStream),
        "_data_channels": dict,
        "_local_tsn": int,
        "_outbound_stream_seq": Each(int),
        "_sent_queue": deque,
        "_outbound_queue": deque,
        "_data_channel_queue": deque,
        "_flight_size": int,
        "_cwnd": int,
        "_ssthresh": int,
        "_partial_bytes_acked": int,
        "_last_sacked_tsn": int,
        "_advanced_peer_ack_tsn": int,
        "_fast_recovery_exit": NoneType,
        "_forward_tsn_chunk": NoneType,
        "_forward_tsn_streams": dict,
        "_reconfig_queue": list,
        "_reconfig_deferred": NoneType,
        "_rto": NUMBER,
        "_t3_handle": (asyncio.TimerHandle, NoneType),
        "_t3_start": Takes(),
        "_t3_restart": Takes(),
        "_t3_cancel": Takes(),
        "_t3_expired": Takes(),
        "_update_rto": Takes("R"),
        "_update_advanced_peer_ack_point": Takes(),
        "_handle_data": Takes("data", is_async=True),
        "_receive_data_chunk": Takes("chunk", is_async=True),
        "_receive_sack_chunk": Takes("chunk", is_async=True),
        "_receive_forward_tsn_chunk": Takes("chunk", is_async=True),
        "_mark_received": Takes("tsn"),
        "_send_sack": Takes(is_async=True),
        "_transmit": Takes(is_async=True),
        "_data_channel_flush": Takes(is_async=True),
        "_data_channel_receive": Takes("stream_id pp_id data", is_async=True),
    },
    "DataChunk": {
        **dict.fromkeys(["flags", "tsn", "stream_id", "stream_seq", "protocol"], int),
        "user_data": bytes,
        "_abandoned": bool,
        "_acked": bool,
        "_book_size": int,
        "_expiry": NoneType,
        "_in_flight": bool,
        "_max_retransmits": NoneType,
        "_misses": int,
        "_retransmit": bool,
        "_sent_count": int,
        "_sent_time": float,
    },
    "InboundStream": {"reassembly": list, "sequence_number": int},
    "RTCDataChannel": {"_addBufferedAmount": Takes("amount")},
    "RTCRtpSender": {
        "_ssrc": int,
        "_stream_id": str,
        "_track_id": str,
        "_run_rtp": Takes("codec", is_async=True),
        "_RTCRtpSender__mid": str,
        "_RTCRtpSender__rtp_header_extensions_map": HeaderExtensionsMap,
        "_RTCRtpSender__rtp_started": asyncio.Event,
        "_RTCRtpSender__rtp_exited": asyncio.Event,
        "_RTCRtpSender__ntp_timestamp": int,
        "_RTCRtpSender__rtp_timestamp": int,
        "_RTCRtpSender__octet_count": int,
        "_RTCRtpSender__packet_count": int,
    },
    "RTCRtpReceiver": {
        "_handle_rtp_packet": Takes("packet arrival_time_ms", is_async=True),
        "_RTCRtpReceiver__codecs": Each(RTCRtpCodecParameters),
        "_RTCRtpReceiver__remote_streams": Each(StreamStatistics),
        "_RTCRtpReceiver__stop_decoder": Takes(),
    },
    "StreamStatistics": {"add": Takes("packet")},
    "RtpPacket": {"serialize": Takes("extensions_map"), "extensions": HeaderExtensions},
    "ice": {
        "get_host_addresses": Takes("use_ipv4 use_ipv6"),
        "CONSENT_INTERVAL": NUMBER,
        "CONSENT_FAILURES": int,
        "server_reflexive_candidate": Takes("protocol stun_server", True),
        "relayed_candidate": Takes(
            "component hide_related_address protocol_factory turn_server turn_username "
            "turn_password turn_ssl turn_transport",
            True,
        ),
        "candidate_foundation": Takes("candidate_type candidate_transport base_address"),
        "candidate_priority": Takes("candidate_component candidate_type local_pref"),
    },
    "mdns": {
        "MDnsProtocol": type,
        "is_mdns_hostname": Takes("name"),
        "create_mdns_protocol": Takes(is_async=True),
    },
    "Connection": {
        "get_component_candidates": Takes("component addresses timeout", True),
        "_protocols": list,
        "_nominated": Each(aioice.ice.CandidatePair),
        "_check_list": list,
        "_remote_candidates": list,
        "_early_checks_done": bool,
        "_closing": bool,
        "check_state": Takes("pair state"),
        "check_incoming": Takes("message addr protocol"),
        "_queue": asyncio.Queue,
        "data_received": Takes("data component"),
    },
    "StunProtocol": {
        "datagram_received": Takes("data addr"),
        "receiver": aioice.Connection,
        "local_candidate": aioice.Candidate,
        "transport": asyncio.BaseTransport,
        "request": Takes("request addr integrity_key retransmissions", True),
        "send_stun": Takes("message addr"),
    },
    "CandidatePair": {
        "protocol": aioice.ice.StunProtocol,
        "remote_addr": tuple,
        "remote_candidate": aioice.Candidate,
        "task": (asyncio.Task, NoneType),
        "state": aioice.ice.CandidatePair.State,
    },
    "SSL.Connection": {
        "_ssl": object,
        "_into_ssl": object,
        "_from_ssl": object,
        "_raise_ssl_error": Takes("ssl result"),
        "_handle_bio_errors": Takes("bio result"),
    },
    "OpenSSL._util": {"ffi": object, "lib": object},
}
MISSING = object()
TABLES = {**aiortc.NAMES, **aioice_names.NAMES, **pyopenssl.NAMES}


@pytest.fixture(scope="module")
def seen() -> dict[str, dict[str, Any]]:
    """Owner → name → what it is, while two peers are connected and have sent something."""
    found: dict[str, dict[str, Any]] = {}

    async def scenario() -> None:
        async with pair() as (caller, callee):
            track = PacketTrack()
            sender = caller.addTrack(track)
            stock_run_rtp = sender._run_rtp
            send_directly(sender, track)
            channel = caller.createDataChannel("audio")
            await negotiate(caller, callee)
            await until(lambda: channel.readyState == "open")
            track.send_packet(SILENT_PACKET, 0)
            await until(lambda: remote_streams(callee))
            channel.send(b"message")
            while not caller.sctp._sent_queue:
                await asyncio.sleep(0)
            for owner, thing in owners(caller, callee, channel).items():
                found[owner] = {name: getattr(thing, name, MISSING) for name in TABLES[owner]}
            found["RTCRtpSender"]["_run_rtp"] = stock_run_rtp

    run(scenario)
    found["ice"]["get_host_addresses"] = aioice.ice.get_host_addresses  # As it was replaced.
    return found


def remote_streams(peer: RTCPeerConnection) -> dict[int, StreamStatistics]:
    streams: dict[int, StreamStatistics] = peer.getReceivers()[0]._RTCRtpReceiver__remote_streams
    return streams


def owners(caller: RTCPeerConnection, callee: RTCPeerConnection, channel: Any) -> dict[str, Any]:
    """One living object of each class."""
    sctp: Any = caller.sctp
    ice = sctp.transport.transport
    return {
        "RTCIceTransport": ice,
        "RTCDtlsTransport": sctp.transport,
        "RtpRouter": callee.sctp.transport._rtp_router,
        "rtcsctptransport": aiortc_sctp,
        "RTCSctpTransport": sctp,
        "DataChunk": sctp._sent_queue[0],
        "InboundStream": InboundStream(),
        "RTCDataChannel": channel,
        "RTCRtpSender": caller.getSenders()[0],
        "RTCRtpReceiver": callee.getReceivers()[0],
        "StreamStatistics": StreamStatistics(48_000),
        "RtpPacket": RtpPacket(),
        "ice": aioice.ice,
        "mdns": aioice.mdns,
        "Connection": ice._connection,
        "StunProtocol": ice._connection._protocols[0],
        "CandidatePair": ice._connection._nominated[1],
        "SSL.Connection": sctp.transport._ssl,
        "OpenSSL._util": _util,
    }


def test_every_name_in_the_tables_has_a_shape() -> None:
    assert {owner: set(names) for owner, names in TABLES.items()} == {
        owner: set(names) for owner, names in SHAPES.items()
    }


@pytest.mark.sockets
@pytest.mark.parametrize("owner", SHAPES)
def test_the_library_is_as_expected(seen: dict[str, dict[str, Any]], owner: str) -> None:
    wrong = {
        name: value
        for name, value in seen[owner].items()
        if not fits(value, SHAPES[owner].get(name, NoneType))
    }
    assert not wrong


def fits(value: Any, shape: Shape) -> bool:
    """Whether a value is what the code expects."""
    if value is MISSING:
        return False
    if isinstance(shape, Takes):
        parameters = " ".join(inspect.signature(value).parameters)
        return (parameters, inspect.iscoroutinefunction(value)) == shape
    if isinstance(shape, Each):
        return all(isinstance(entry, shape.of) for entry in value.values())
    return isinstance(value, shape) and not (value is None and shape is object)


@pytest.mark.sockets
def test_the_functions_of_openssl_are_there(seen: dict[str, dict[str, Any]]) -> None:
    lib = seen["OpenSSL._util"]["lib"]
    assert all(
        callable(getattr(lib, n)) for n in ("BIO_write", "BIO_read", "SSL_read", "SSL_write")
    )


def private_names(tree: ast.Module) -> set[str]:
    """Names with an underscore that a module takes from something other than itself."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.endswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    }


def words(tree: ast.Module) -> set[str]:
    """Attributes, keys and imported names of a module, but for its own table."""
    body = [node for node in tree.body if not isinstance(node, ast.Assign)]
    found: set[str] = set()
    for node in (inner for outer in body for inner in ast.walk(outer)):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.ImportFrom):
            found.update(alias.name for alias in node.names)
    return found


MODULES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FOLDER.rglob("*.py")}
ALL_NAMES = {name for names in [*TABLES.values(), *aiohttp.NAMES.values()] for name in names}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_private_name_that_is_used_is_in_a_table(path: Path) -> None:
    assert private_names(MODULES[path]) <= ALL_NAMES


def test_every_name_in_a_table_is_used() -> None:
    used = set().union(*map(words, MODULES.values()))
    assert ALL_NAMES - used == set()
