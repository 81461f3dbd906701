"""Gains over seconds: what went in, what came out, and what was added, one panel per talker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .plotting import pyplot_for

Panel = Mapping[str, Sequence[float]]
"""Name of a line → its values in dB, one for each frame."""


def draw(panels: Mapping[str, Panel], target_dbfs: float, frame_s: float, file: Path) -> Path:
    """A PNG with one panel below the other. Raises BenchmarkError without matplotlib."""
    pyplot = pyplot_for(file.parent)
    figure, axes = pyplot.subplots(
        len(panels), 1, figsize=(10, 2.3 * len(panels)), layout="constrained", squeeze=False
    )
    for (title, lines), axis in zip(panels.items(), axes[:, 0], strict=True):
        for name, values in lines.items():
            times_s = [frame * frame_s for frame in range(len(values))]
            axis.plot(times_s, values, label=name, linewidth=1.6 if "gain" in name else 0.8)
        axis.axhspan(target_dbfs - 3, target_dbfs + 3, color="green", alpha=0.12)
        axis.set_title(title, fontsize=9)
        axis.set_ylim(-85, 35)
        axis.set_ylabel("dBFS, dB", fontsize=8)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes[-1, 0].set_xlabel("seconds")
    figure.savefig(file, dpi=72, metadata={"Software": None})
    pyplot.close(figure)
    return file
