"""A turn as a picture: its spans as bars over time, in SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH_PX, ROW_PX, LEFT_PX, RIGHT_PX, TOP_PX = 760, 26, 120, 90, 30
_COLOURS = {"turn": "#5b6b7b", "tool": "#c98a2b"}
_OTHERS = "#3f7fbf"
Bar = tuple[str, int, int]
"""Name, beginning and end in ns."""


def draw(bars: Sequence[Bar]) -> str:
    """The picture; the first bar is the whole."""
    _, start_ns, end_ns = bars[0]
    scale = (WIDTH_PX - LEFT_PX - RIGHT_PX) / max(end_ns - start_ns, 1)
    height = TOP_PX + ROW_PX * len(bars) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_PX}" height="{height}" '
        f'viewBox="0 0 {WIDTH_PX} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH_PX}" height="{height}" fill="#ffffff"/>',
    ]
    for ms in _ticks((end_ns - start_ns) // 1_000_000):
        x = LEFT_PX + ms * 1e6 * scale
        lines.append(
            f'<path d="M{x:.1f} {TOP_PX - 6}V{height - 6}" stroke="#dddddd"/>'
            f'<text x="{x:.1f}" y="{TOP_PX - 12}" fill="#555555" text-anchor="middle">'
            f"{ms} ms</text>"
        )
    for row, (name, began_ns, ended_ns) in enumerate(bars):
        x, width = LEFT_PX + (began_ns - start_ns) * scale, (ended_ns - began_ns) * scale
        y = TOP_PX + ROW_PX * row
        colour = _COLOURS.get(name.partition(" ")[0], _OTHERS)
        took = f"{(ended_ns - began_ns) / 1e6:.0f} ms"
        lines.append(
            f'<text x="{LEFT_PX - 8}" y="{y + 17}" fill="#222222" text-anchor="end">'
            f"{escape(name)}</text>"
            f'<rect x="{x:.1f}" y="{y + 4}" width="{max(width, 2):.1f}" height="{ROW_PX - 8}" '
            f'rx="3" fill="{colour}"/>'
            f'<text x="{x + max(width, 2) + 6:.1f}" y="{y + 17}" fill="#222222">{took}</text>'
        )
    return "\n".join([*lines, "</svg>", ""])


def _ticks(whole_ms: int) -> Sequence[int]:
    step = next(
        s for s in (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10**9) if whole_ms <= 8 * s
    )
    return range(0, whole_ms + 1, step)
