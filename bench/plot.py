"""The ratios of a table as a picture: how many times better the exporter is than other programs."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.table import Row


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the picture as SVG: 1 is as good as the other, further to the right is better, the marks are goals."""
    mpl.rcParams["svg.hashsalt"] = "butlr-exporter"
    shown = [row for row in reversed(rows) if row.ratio is not None and row.goal.startswith(">=")]
    names = [f"{row.subject}\n{row.other}" for row in shown]
    figure = Figure(figsize=(10, 0.55 * len(shown) + 1), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(names, [row.ratio or 0 for row in shown], color="#3b7dd8", height=0.6)
    axes.bar_label(bars, [f"{row.ratio:.1f}" for row in shown], padding=4)
    goals = [float(row.goal.split()[1]) for row in shown]
    axes.plot(goals, names, "|", color="#b3261e", markersize=18, markeredgewidth=2, label="goal")
    axes.axvline(1, color="#888888", linewidth=0.8)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_xlabel("times better")
    axes.tick_params(axis="y", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path, metadata={"Date": None})
