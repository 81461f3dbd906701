"""A cluster over time: how even it is, what moves, and how soon rooms are back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .plotting import pyplot_for
from .series import Series


def draw(
    balance: Mapping[str, Series],
    moves: Mapping[str, Series],
    heal_s: Mapping[str, Sequence[float]],
    events: Mapping[str, float],
    file: Path,
) -> Path:
    """A PNG of three panels. Raises BenchmarkError without matplotlib.

    Args:
        balance: how full nodes are, in proportion to the mean.
        moves: rooms per minute.
        heal_s: per failure, how long its rooms were silent.
        events: what was done, and when, s.
    """
    pyplot = pyplot_for(file.parent)
    figure, axes = pyplot.subplots(3, 1, figsize=(10, 9), layout="constrained")
    for axis, lines, title in ((axes[0], balance, "mean = 1"), (axes[1], moves, "rooms a minute")):
        for name, points in lines.items():
            axis.plot(*zip(*points, strict=True), label=name, linewidth=1.2)
        for name, at_s in events.items():
            axis.axvline(at_s, color="gray", linewidth=0.6)
            axis.annotate(name, (at_s, axis.get_ylim()[1]), fontsize=7, rotation=12)
        axis.set_ylabel(title, fontsize=8)
        axis.set_xlabel("seconds", fontsize=8)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for name, times in heal_s.items():
        ordered = sorted(times)
        shares = [(place + 1) / len(ordered) for place in range(len(ordered))]
        axes[2].step(ordered, shares, label=name, linewidth=1.2)
    axes[2].set_xlabel("seconds from the failure until a room is there again", fontsize=8)
    axes[2].set_ylabel("share of rooms", fontsize=8)
    axes[2].grid(alpha=0.3)
    axes[2].legend(fontsize=7, loc="lower right")
    figure.savefig(file, dpi=72, metadata={"Software": None})
    pyplot.close(figure)
    return file
