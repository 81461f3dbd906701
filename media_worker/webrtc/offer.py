"""Makes a browser's SDP offer safe for aioice, or says what is wrong with it. Sans-I/O.

Names that only the browser's own host can resolve (``.local``) cost a second each, and together
with ``a=end-of-candidates`` they make aioice gather nothing and wait for ever. Browsers are found
by their first packet anyway, so such lines are left out. Of the addresses, ``probing`` chooses
those that this host may send to.
"""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.runtime.errors import ProblemError

from .probing import Endpoint, ProbePolicy, choose

MAX_SDP_BYTES = 64 * 1024
CANDIDATE = "a=candidate:"
BUNDLE, MID = "a=group:BUNDLE", "a=mid:"
TITLE = "Bad offer"


def refuse(detail: str) -> ProblemError:
    """The answer 400 with ``detail``."""
    return ProblemError(400, TITLE, detail)


@dataclass(frozen=True, slots=True)
class CleanOffer:
    """An offer without harmful lines."""

    sdp: str
    endpoints: tuple[Endpoint, ...]
    """The addresses in it."""


def clean_offer(sdp: str, policy: ProbePolicy) -> CleanOffer:
    """The offer without harmful lines; ``policy`` chooses its candidates.

    Raises:
        ProblemError: status 400: too long, not SDP, no data channel, or something is missing.
    """
    size_bytes = len(sdp.encode("utf-8", "replace"))
    if size_bytes > MAX_SDP_BYTES:
        raise refuse(f"the offer has {size_bytes} bytes, {MAX_SDP_BYTES} are allowed")
    lines = [line.strip() for line in sdp.splitlines() if line.strip()]  # As aiortc reads them.
    if not lines or lines[0] != "v=0":
        raise refuse("the body is not SDP: its first line must be v=0")
    media = [line for line in lines if line.startswith("m=application")]
    if not media:
        raise refuse("the offer has no data channel: call createDataChannel('audio') first")
    if len(media) > 1:
        raise refuse("the offer has more than one m=application line")
    _check_attributes(lines, media[0])
    _check_bundles(lines)
    remotes = choose((line for line in lines if line.startswith(CANDIDATE)), policy)
    kept = _kept(lines, {remote.line for remote in remotes})
    endpoints = tuple(remote.endpoint for remote in remotes)
    return CleanOffer("\r\n".join(kept) + "\r\n", endpoints)


def _check_attributes(lines: list[str], media: str) -> None:
    if "DTLS/SCTP" not in media:
        raise refuse(f"{media[:80]!r} is not a WebRTC data channel")
    needed = {"a=ice-ufrag:": "ICE user name", "a=fingerprint:": "DTLS fingerprint"}
    if "webrtc-datachannel" in media:
        needed["a=sctp-port:"] = "SCTP port"
    for prefix, meaning in needed.items():
        if not any(line.startswith(prefix) for line in lines):
            raise refuse(f"the offer lacks the {meaning} ({prefix[:-1]})")


def _check_bundles(lines: list[str]) -> None:
    """aiortc would leave a bundled data channel without a transport."""
    mids = {line.removeprefix(MID) for line in lines if line.startswith(MID)}
    for line in lines:
        if line.startswith(BUNDLE):
            lost = [mid for mid in line.removeprefix(BUNDLE).split() if mid not in mids]
            if lost:
                raise refuse(f"the offer bundles {lost[0][:40]!r}, and no section has that a=mid")


def _kept(lines: list[str], candidates: set[str]) -> list[str]:
    kept = []
    for line in lines:
        if line == "a=end-of-candidates":
            continue
        if line.startswith(CANDIDATE):
            if line not in candidates:
                continue
            candidates = candidates - {line}
        kept.append(line)
    return kept
