"""One browser's peer connection."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)

from mixer_core.patches.aioice.gathering import check_consent, offer_addresses
from mixer_core.patches.aioice.sockets import Sockets, open_sockets
from mixer_core.patches.aiortc.connections import bound_peer, has_one_transport, limit_checks
from mixer_core.patches.aiortc.data_channels import (
    backlog_of,
    drop_waiting_audio,
    survive_messages,
)
from mixer_core.patches.aiortc.fast_path import FastPath
from mixer_core.patches.aiortc.sctp_limits import SctpLimits
from mixer_core.patches.aiortc.sctp_parameters import check_parameters
from mixer_core.patches.aiortc.sctp_wire import PPID_STRING
from mixer_core.runtime.errors import ProblemError
from mixer_core.runtime.ice_servers import IceServer

from ..protocol import gateway_messages
from ..protocol.audio_messages import FRAMED_PROTOCOL
from . import interfaces, offer
from .addresses import host_interfaces
from .network import NetworkSettings, usable_servers
from .probing import ProbeBudget, ProbePolicy

CONSENT_INTERVAL_S = 1.0
CONSENT_FAILURES, CONSENT_REPEATS = 7, 2
"""Three and a half seconds are waited for each answer, longer than any round trip that one can talk
over: this is 30 s, aioice's own time (RFC 7675). The end of a browser is noticed sooner, by
``peer_silence_ms``; a network that comes back in time goes on."""
MAX_CONTROL_BACKLOG_BYTES = 256 * 1024
"""Control messages are never dropped, so their backlog needs a bound."""
MAX_LOGGED_FAULTS = 10
"""Faults of one connection that are logged; all are counted."""


@dataclass(frozen=True, slots=True)
class PeerEvents:
    """Callbacks of a connection, called in its loop."""

    opened: Callable[[bool], None]
    """All channels are open; True: the framed protocol."""
    audio: Callable[[bytes], None]
    """One binary message on ``audio``."""
    text: Callable[[str], None]
    """One text message."""
    unreadable: Callable[[str, str], None]
    """Code and sentence: the browser sent something that cannot be understood."""
    closed: Callable[[str], None]
    """The connection or its audio channel ended; why, in words."""


def prepare_ice(network: NetworkSettings) -> None:
    """Set up ICE for all connections of this process: addresses by setting, fast consent checks."""

    def own_addresses() -> list[str]:
        return list(network.addresses) or interfaces.choose(host_interfaces(), network.interfaces)

    offer_addresses(own_addresses)
    check_consent(CONSENT_INTERVAL_S, CONSENT_FAILURES, CONSENT_REPEATS)
    check_parameters()


class Peer:
    """Answers one offer and carries its two protocols."""

    def __init__(
        self,
        events: PeerEvents,
        log: logging.LoggerAdapter[logging.Logger],
        network: NetworkSettings,
        servers: Iterable[IceServer] = (),
    ) -> None:
        """``network``: as given to ``prepare_ice``; ``servers``: those that browsers get too."""
        self._events = events
        self._log = log
        self._network = network
        own = usable_servers(servers, network.relay)
        self._sockets = Sockets(network.ports, network.announced, own)
        self._connection = RTCPeerConnection(RTCConfiguration([]))
        self._connection.on("datachannel", self._guarded(self._on_channel))
        self._connection.on("connectionstatechange", self._guarded(self._on_state))
        self._audio: RTCDataChannel | None = None
        self._control: RTCDataChannel | None = None
        self._fast: FastPath | None = None
        self._limits: SctpLimits | None = None
        self._budget = ProbeBudget(())
        self.buffered_bytes: Callable[[], int] = int
        """Returns the bytes of the audio channel that wait for the network."""
        self.framed = False
        """The browser chose frames with headers."""
        self._opened = False
        self._closed = False
        self.faults_total = 0
        """Exceptions in handlers, and messages that aiortc could not read."""

    @property
    def heard_ns(self) -> int:
        """When the last datagram came (monotonic); 0 before the first."""
        return self._fast.heard_ns if self._fast is not None else 0

    @property
    def checks_refused_total(self) -> int:
        """Connectivity checks that were not sent, because too many had no answer."""
        return self._budget.refused_total

    @property
    def stale_total(self) -> int:
        """Messages that waited for the network until nobody wanted to hear them any more."""
        return self._fast.stale_total if self._fast is not None else 0

    @property
    def excess_total(self) -> int:
        """What was dropped because the browser sends too much, or what no browser sends."""
        return self._limits.refused_total if self._limits is not None else 0

    async def answer(self, sdp: str) -> str:
        """Answer an offer; the connection is then set up in the background.

        Raises:
            ProblemError: 400 for a bad offer, with what is wrong; 503 where no address can be used.
        """
        connection = self._connection
        try:
            policy = self._policy()
        except OSError as error:
            words = f"the addresses of this machine cannot be read: {error}"
            raise ProblemError(503, "No network", words) from error
        cleaned = offer.clean_offer(sdp, policy)
        budget = self._budget = ProbeBudget(cleaned.endpoints)
        open_sockets(self._sockets)  # For all of this process, which has one connection.
        try:
            await connection.setRemoteDescription(RTCSessionDescription(cleaned.sdp, "offer"))
            if not has_one_transport(connection):
                raise offer.refuse(
                    "the offer's media do not go the way of its data channel: name them all in "
                    "one a=group:BUNDLE, or offer the data channel alone"
                )
            for transceiver in connection.getTransceivers():
                transceiver.direction = "inactive"
            await connection.setLocalDescription(await connection.createAnswer())
            limit_checks(connection, budget.allow, budget.answered)
        except ProblemError:
            raise
        except OSError as error:
            raise ProblemError(503, "No network", f"no answer can be made: {error}") from error
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise offer.refuse(f"the offer cannot be understood: {reason}") from error
        answer: str = connection.localDescription.sdp
        if "a=candidate:" not in answer:
            raise ProblemError(503, "No network", self._without_candidates())
        sctp = connection.sctp
        assert sctp is not None
        survive_messages(sctp, self._bad_text, self._fault)
        self._limits = bound_peer(connection, self._excess)
        self._fast = FastPath(sctp, self._fault)
        return answer

    def _policy(self) -> ProbePolicy:
        found = host_interfaces()
        own = interfaces.inner_networks(found, self._network.interfaces)
        return ProbePolicy(self._network.probed, own)

    def _without_candidates(self) -> str:
        if self._network.ports:
            return "every UDP port is taken: widen [media_worker] udp_ports"
        return "no address of this host can be used: check [media_worker] ice_addresses"

    def send_audio(self, data: bytes) -> None:
        """Send one binary message; nothing happens where the channel is not open."""
        channel, fast = self._audio, self._fast
        if channel is not None and fast is not None and channel.readyState == "open":
            fast.send(channel, data)

    def send_control(self, text: str) -> None:
        """Send one text message on the channel of the browser's protocol.

        A browser that acknowledges no messages is given up.
        """
        channel, fast = self._control or self._audio, self._fast
        if channel is None or fast is None or channel.readyState != "open":
            return
        if channel.bufferedAmount > MAX_CONTROL_BACKLOG_BYTES:
            self._tell_closed("the browser does not take its messages")
            return
        fast.send(channel, text.encode(), PPID_STRING)

    def drop_queued_audio(self) -> int:
        """Remove binary messages that SCTP has not been given yet; returns how many."""
        return 0 if self._audio is None else drop_waiting_audio(self._audio)

    async def close(self) -> None:
        """End the connection; the browser notices at once (SCTP ABORT, DTLS close)."""
        self._closed = True
        if self._fast is not None:
            self._fast.close()
        await self._connection.close()

    # Handlers

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == "audio" and self._audio is None:
            if channel.protocol not in ("", FRAMED_PROTOCOL):
                text = f"protocol {channel.protocol[:40]!r} is unknown; there is "
                channel.send(gateway_messages.error("protocol", text + FRAMED_PROTOCOL))
                return
            self.framed = channel.protocol == FRAMED_PROTOCOL
            self._audio = channel
            self.buffered_bytes = backlog_of(channel)
            channel.on("message", self._guarded(self._on_audio_message))
            channel.on("close", self._guarded(self._on_audio_closed))
            if self._fast is not None:
                self._fast.listen(channel, self._on_audio_message)
        elif channel.label == "control" and self._control is None:
            self._control = channel
            channel.on("message", self._guarded(self._on_control_message))
        else:
            text = f"a channel {channel.label[:40]!r} is not used; there are audio and control"
            self._events.unreadable("channel", text)
            return
        ready = self._audio is not None and (self._control is not None or not self.framed)
        if ready and not self._opened:
            self._opened = True
            self._events.opened(self.framed)

    def _on_audio_message(self, message: bytes | str) -> None:
        if isinstance(message, str):
            self._events.text(message)
        elif self._opened:
            self._events.audio(message)

    def _on_control_message(self, message: bytes | str) -> None:
        if isinstance(message, str):
            self._events.text(message)
        else:
            self._events.unreadable("binary_control", "the channel control carries text only")

    def _on_audio_closed(self) -> None:
        self._tell_closed("the browser closed its channel")

    def _on_state(self) -> None:
        state = self._connection.connectionState
        if state in ("closed", "failed"):
            self._tell_closed(f"the connection {'failed' if state == 'failed' else 'ended'}")

    def _tell_closed(self, detail: str) -> None:
        if not self._closed:
            self._closed = True
            self._events.closed(detail)

    # Faults: an exception that escaped a handler would end aiortc's receiving task

    def _guarded(self, handler: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any) -> None:
            try:
                handler(*args)
            except Exception:
                self._fault()

        return call

    def _bad_text(self) -> None:
        self.faults_total += 1
        self._events.unreadable("bad_json", "a text message is not UTF-8")

    def _excess(self, words: str, is_over: bool) -> None:
        if self._closed:
            return
        self._events.unreadable("too_much", words)
        if is_over:
            self._tell_closed(words)

    def _fault(self) -> None:
        self.faults_total += 1
        if self.faults_total <= MAX_LOGGED_FAULTS:
            self._log.exception("! a handler failed; the connection is kept")
