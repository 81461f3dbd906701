"""Sampled call stacks: sorted into groups and functions, and drawn as a flame graph. Sans-I/O.

Stacks come in py-spy's collapsed form, ``outermost;…;innermost COUNT`` per line, with frames such
as ``encode (openai_link/opus.py:151)`` and, below them, those of C libraries.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Stack = tuple[str, ...]
Stacks = Counter[Stack]

GROUPS: tuple[tuple[str, str], ...] = (
    ("kernel: send", r"^(sendmsg|sendto|sendmmsg|send) \("),
    ("kernel: receive", r"^(recvmsg|recvfrom|recvmmsg|recv) \("),
    ("kernel: wake-ups", r"^(epoll_\w+|poll|ppoll|write|read|futex|eventfd\w*|syscall) \("),
    ("opus", r"opus"),
    ("OpenSSL", r"openssl|ossl|cryptography|libssl|libcrypto|_cffi_f_|pylibsrtp|libsrtp"),
    ("zmq", r"zmq"),
    ("aioice", r"aioice/"),
    ("aiortc", r"aiortc/|pyee/|google_crc32c"),
    ("ours", r"(mixer_core|media_worker|openai_link|signaling)/"),
    ("loop", r"uvloop|asyncio/|uv__|uv_run"),
)
"""Group → what a frame of it looks like; the innermost frame that fits decides."""
OTHER = "other"
_COMPILED = tuple((group, re.compile(pattern, re.IGNORECASE)) for group, pattern in GROUPS)
_WAITING = re.compile(r"^(epoll_p?wait|epoll_pwait2|poll|ppoll|read|futex|__futex\w*|0x\w+) \(")
_IDLE_CALLERS = re.compile(
    r"Condition\.wait|Connection\._recv|Thread\._bootstrap_inner|_wait_for_tstate|Event\.wait"
)
_PYTHON = re.compile(r"\((?P<file>[^()]*\.pyx?):\d+\)$|\((?P<bare>[^()]*\.pyx?)\)$")
_LINE = re.compile(r":\d+\)$")
_NOISE = re.compile(r"^0x|^<module> |\((object\.h|multiprocessing/)|^(Loop__|run_\w+ \(loop\.c)")
"""Frames that say nothing of the program: starting it, counting references, turning the loop."""

FLAME_WIDTH_PX = 1200
FLAME_ROW_PX = 17
MIN_FLAME_PX = 0.6
PALETTE = {
    "ours": "#4c9f70",
    "aiortc": "#e07a5f",
    "aioice": "#f2a65a",
    "OpenSSL": "#b279a2",
    "zmq": "#5b8fd6",
    "opus": "#81b29a",
    "loop": "#c9b458",
}


def parse(text: str) -> Stacks:
    """Read collapsed stacks. Raises ValueError on a line without a count."""
    stacks: Stacks = Counter()
    for line in text.splitlines():
        if line.strip():
            frames, _, count = line.rpartition(" ")
            stacks[tuple(frames.split(";"))] += int(count)
    return stacks


def busy(stacks: Stacks) -> Stacks:
    """Without the stacks of threads that only wait, which samplers sometimes take for busy."""
    return Counter({stack: count for stack, count in stacks.items() if not _waits(stack)})


def _waits(stack: Stack) -> bool:
    if any(_IDLE_CALLERS.search(frame) for frame in stack[-8:]):
        return not any("asyncio" in frame for frame in stack[-3:])
    return bool(_WAITING.match(stack[-1])) and not _python_above(stack)


def _python_above(stack: Stack) -> bool:
    """Whether Python code, other than the loop's own, made the innermost call."""
    for frame in reversed(stack[:-1]):
        if _PYTHON.search(frame):
            return "asyncio/" not in frame and "multiprocessing/" not in frame
    return False


def group_of(stack: Stack) -> str:
    """The group in which the stack's innermost time is spent."""
    for frame in reversed(stack):
        for group, pattern in _COMPILED:
            if pattern.search(frame):
                return group
    return OTHER


def by_group(stacks: Stacks) -> Counter[str]:
    """Samples by group."""
    groups: Counter[str] = Counter()
    for stack, count in stacks.items():
        groups[group_of(stack)] += count
    return groups


def by_function(stacks: Stacks) -> Counter[str]:
    """Samples by the innermost Python function, with what C code under it takes."""
    functions: Counter[str] = Counter()
    for stack, count in stacks.items():
        python = (frame for frame in reversed(stack) if _PYTHON.search(frame))
        functions[_LINE.sub(")", next(python, stack[-1]))] += count
    return functions


def plain(stacks: Mapping[Stack, int]) -> Stacks:
    """The same samples without line numbers and the frames that every stack has."""
    result: Stacks = Counter()
    for stack, count in stacks.items():
        result[tuple(_LINE.sub(")", frame) for frame in stack if not _NOISE.search(frame))] += count
    return result


@dataclass
class _Node:
    """One box of a flame graph and what lies on it."""

    count: int = 0
    children: dict[str, _Node] = field(default_factory=dict)


def flame_svg(stacks: Mapping[Stack, int], title: str) -> str:
    """An SVG whose boxes are as wide as their share of samples; the root is at the bottom."""
    root = _Node()
    for stack, count in stacks.items():
        root.count += count
        node = root
        for frame in stack:
            node = node.children.setdefault(_LINE.sub(")", frame), _Node())
            node.count += count
    boxes = list(_boxes(root, 0.0, 0, FLAME_WIDTH_PX / max(1, root.count)))
    rows = 1 + max((row for _, _, row, _ in boxes), default=0)
    height_px = (rows + 2) * FLAME_ROW_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{FLAME_WIDTH_PX}" height="{height_px}" '
        'font-family="monospace" font-size="11">',
        f'<text x="4" y="{FLAME_ROW_PX - 4}">{html.escape(title)}</text>',
    ]
    for name, left_px, row, count in boxes:
        width_px = count * FLAME_WIDTH_PX / root.count
        top_px = height_px - (row + 1) * FLAME_ROW_PX
        parts.append(_box_svg(name, left_px, top_px, width_px, 100 * count / root.count))
    return "\n".join([*parts, "</svg>\n"])


def _boxes(
    node: _Node, left_px: float, row: int, scale: float
) -> Iterable[tuple[str, float, int, int]]:
    """Name, left edge, row and samples of every box that is wide enough to be seen."""
    for name, child in sorted(node.children.items()):
        width_px = child.count * scale
        if width_px >= MIN_FLAME_PX:
            yield name, left_px, row, child.count
            yield from _boxes(child, left_px, row + 1, scale)
        left_px += width_px


def _box_svg(name: str, left_px: float, top_px: float, width_px: float, percent: float) -> str:
    colour = PALETTE.get(group_of((name,)), "#cfcfcf")
    label = html.escape(name[: max(0, int(width_px / 6.7))]) if width_px > 30 else ""
    return (
        f"<g><title>{html.escape(name)}: {percent:.1f} %</title>"
        f'<rect x="{left_px:.1f}" y="{top_px}" width="{max(0.2, width_px - 0.4):.1f}" '
        f'height="{FLAME_ROW_PX - 1}" fill="{colour}"/>'
        f'<text x="{left_px + 2:.1f}" y="{top_px + 12}">{label}</text></g>'
    )
