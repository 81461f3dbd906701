"""Checks and cleans SDP offers before the WebRTC stack sees them, and refuses what is too much.

Only the first audio section and the first data section are negotiated. The others never reach the
WebRTC stack, which cannot refuse a section; they are put back into its answer with port 0
(RFC 8829 section 5.3.1). Sans-I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..engine.refusals import Refusal

_TRANSPORT = ("a=setup:", "a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=rtcp-mux")
"""What a refused section needs for parsers that look at every section alike."""
_FAILED = "Failed to parse offer: failed to unmarshal SDP: "


def invalid_offer(reason: str) -> Refusal:
    """The offer cannot be used (HTTP 400)."""
    return Refusal("invalid_offer", _FAILED + reason)


def clean_offer(sdp: str) -> str:
    """Return the offer without what would make ICE wait for ever.

    Host names ending in ``.local`` cannot be resolved here, and together with the end-of-candidates
    mark they leave the ICE agent with nothing to do. The peer is found by its own checks instead.
    Raises Refusal ``invalid_offer`` when the text is empty, cut off, or no offer of audio or data.
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
    """An offer without the sections that are refused."""

    sdp: str
    refused: tuple[tuple[int, tuple[str, ...]], ...]
    """Position and lines of each section that was taken out."""

    def complete(self, answer: str) -> str:
        """Return the answer with a refusal in the place of each section that was taken out."""
        if not self.refused:
            return answer
        head, sections = _sections(answer)
        transport = [line for line in sections[0] if line.startswith(_TRANSPORT)]
        for position, lines in self.refused:
            sections.insert(position, [*_refusal(lines), *transport])
        return _joined(head, sections)


def reduce_offer(sdp: str) -> Offer:
    """Take out everything but the first audio and the first data section of a clean offer."""
    head, sections = _sections(sdp)
    kept: list[list[str]] = []
    refused: list[tuple[int, tuple[str, ...]]] = []
    wanted = {"audio", "application"}
    for position, section in enumerate(sections):
        kind = section[0][2:].split(" ", 1)[0]
        if kind in wanted:
            wanted.discard(kind)
            kept.append(section)
        else:
            refused.append((position, tuple(section)))
    mids = {mid for _, section in refused for mid in _values(section, "a=mid:")}
    head = [_without_mids(line, mids) for line in head]
    return Offer(_joined(head, kept), tuple(refused))


def _sections(sdp: str) -> tuple[list[str], list[list[str]]]:
    """Split into the session's lines and the lines of each media section."""
    head: list[str] = []
    sections: list[list[str]] = []
    for line in sdp.splitlines():
        if line.startswith("m="):
            sections.append([])
        (sections[-1] if sections else head).append(line)
    return head, sections


def _joined(head: list[str], sections: list[list[str]]) -> str:
    return "".join(f"{line}\r\n" for lines in (head, *sections) for line in lines)


def _values(lines: tuple[str, ...], prefix: str) -> list[str]:
    return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]


def _without_mids(line: str, mids: set[str]) -> str:
    if not line.startswith("a=group:BUNDLE"):
        return line
    return " ".join(word for word in line.split(" ") if word not in mids)


def _refusal(lines: tuple[str, ...]) -> list[str]:
    """Return the section of an answer that refuses the one of the offer: port 0, one format."""
    kind, _, protocol, form = lines[0].split(" ")[:4]
    described = [line for line in lines if re.match(rf"a=(rtpmap|fmtp):{re.escape(form)} ", line)]
    mid = [line for line in lines if line.startswith("a=mid:")]
    return [f"{kind} 0 {protocol} {form}", "c=IN IP4 0.0.0.0", *mid, "a=inactive", *described]
