"""Checks SDP offers, and reduces them to what the WebRTC stack can answer. Sans-I/O.

The first audio section and the first data section are negotiated. The stack can neither reject a
section nor accept one without decoding it, so the others are removed from the offer and put into
the answer: video, which the service looks at, as accepted on the bundled transport, where its
packets are dropped; the rest with port 0 (RFC 8829 section 5.3.1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..engine.refusals import Refusal

_TRANSPORT = ("a=setup:", "a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=rtcp-mux")
"""Attributes that some parsers expect even in a rejected section."""
_CANDIDATES = ("a=candidate:", "a=end-of-candidates")
_BUNDLE = "a=group:BUNDLE"
_FAILED = "Failed to parse offer: failed to unmarshal SDP: "


def invalid_offer(reason: str) -> Refusal:
    """The offer cannot be used (HTTP 400)."""
    return Refusal("invalid_offer", _FAILED + reason)


def clean_offer(sdp: str) -> str:
    """Return the offer without lines that would make ICE hang.

    ``.local`` host names cannot be resolved here; together with ``end-of-candidates`` they leave
    the ICE agent without candidates. Without both it finds the peer by the peer's own checks.
    Raises Refusal ``invalid_offer`` when the text is truncated or offers neither audio nor data.
    """
    if not sdp.endswith("\n"):
        raise invalid_offer("EOF")
    if not sdp.startswith("v=0"):
        raise invalid_offer(f"sdp: invalid syntax `{sdp[:20].strip()}`")
    lines = sdp.splitlines()
    kinds = {line[2:].split(" ", 1)[0] for line in lines if line.startswith("m=")}
    if not kinds & {"audio", "application"}:
        raise invalid_offer("no media section of kind audio or application")
    kept = [line for line in lines if not _is_harmful(line)]
    return "\r\n".join(kept) + "\r\n"


def has_audio(sdp: str) -> bool:
    """Whether the offer has an audio section."""
    return any(line.startswith("m=audio ") for line in sdp.splitlines())


def _is_harmful(line: str) -> bool:
    if line == "a=end-of-candidates":
        return True
    fields = line.split(" ")
    return line.startswith("a=candidate:") and len(fields) > 4 and fields[4].endswith(".local")


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer without its rejected sections."""

    sdp: str
    removed: tuple[tuple[int, tuple[str, ...]], ...]
    """Position and lines of each removed section."""
    bundled: tuple[str, ...]
    """Identifiers (mid) of the sections that the client bundles, in its order."""

    def complete(self, answer: str) -> str:
        """Return the answer with one section in place of each removed one."""
        if not self.removed:
            return answer
        head, sections = _sections(answer)
        transport = [line for line in sections[0] if line.startswith(_TRANSPORT)]
        candidates = [line for line in sections[0] if line.startswith(_CANDIDATES)]
        accepted: list[str] = []
        for position, lines in self.removed:
            mids = _values(lines, "a=mid:")
            if _kind(lines) == "video" and mids and set(mids) <= set(self.bundled):
                accepted += mids
                sections.insert(position, [*_acceptance(lines), *candidates, *transport])
            else:
                sections.insert(position, [*_rejection(lines), *transport])
        return _joined([self._with_mids(line, accepted) for line in head], sections)

    def _with_mids(self, line: str, accepted: Sequence[str]) -> str:
        """The answer's bundle with what is accepted in it, in the client's order: the first section
        is the one whose transport all share."""
        if not line.startswith(_BUNDLE):
            return line
        answered = {*line.split(" ")[1:], *accepted}
        return " ".join([_BUNDLE, *(mid for mid in self.bundled if mid in answered)])


def reduce_offer(sdp: str) -> Offer:
    """Remove all but the first audio and the first data section of a clean offer."""
    head, sections = _sections(sdp)
    kept: list[list[str]] = []
    removed: list[tuple[int, tuple[str, ...]]] = []
    wanted = {"audio", "application"}
    for position, section in enumerate(sections):
        kind = _kind(section)
        if kind in wanted:
            wanted.discard(kind)
            kept.append(section)
        else:
            removed.append((position, tuple(section)))
    mids = {mid for _, section in removed for mid in _values(section, "a=mid:")}
    bundled = [word for line in head if line.startswith(_BUNDLE) for word in line.split(" ")[1:]]
    head = [_without_mids(line, mids) for line in head]
    return Offer(_joined(head, kept), tuple(removed), tuple(bundled))


def _kind(section: Sequence[str]) -> str:
    """audio, video, application …"""
    return section[0][2:].split(" ", 1)[0]


def _sections(sdp: str) -> tuple[list[str], list[list[str]]]:
    """Split into the session lines and the lines of each media section."""
    head: list[str] = []
    sections: list[list[str]] = []
    for line in sdp.splitlines():
        if line.startswith("m="):
            sections.append([])
        (sections[-1] if sections else head).append(line)
    return head, sections


def _joined(head: list[str], sections: list[list[str]]) -> str:
    return "".join(f"{line}\r\n" for lines in (head, *sections) for line in lines)


def _values(lines: Sequence[str], prefix: str) -> list[str]:
    return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]


def _without_mids(line: str, mids: set[str]) -> str:
    if not line.startswith(_BUNDLE):
        return line
    return " ".join(word for word in line.split(" ") if word not in mids)


def _acceptance(lines: Sequence[str]) -> list[str]:
    """Return the answer's section that takes what the client sends, and sends nothing."""
    kind, _, protocol, forms = lines[0].split(" ", 3)
    sends = not {"a=recvonly", "a=inactive"} & set(lines)
    mid = [line for line in lines if line.startswith("a=mid:")]
    formats = [line for line in lines if line.startswith(("a=rtpmap:", "a=fmtp:"))]
    direction = "a=recvonly" if sends else "a=inactive"
    return [f"{kind} 9 {protocol} {forms}", "c=IN IP4 0.0.0.0", *mid, direction, *formats]


def _rejection(lines: Sequence[str]) -> list[str]:
    """Return the answer's section that rejects one of the offer: port 0, one format."""
    kind, _, protocol, form = lines[0].split(" ")[:4]
    described = [line for line in lines if re.match(rf"a=(rtpmap|fmtp):{re.escape(form)} ", line)]
    mid = [line for line in lines if line.startswith("a=mid:")]
    return [f"{kind} 0 {protocol} {form}", "c=IN IP4 0.0.0.0", *mid, "a=inactive", *described]
