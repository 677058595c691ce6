"""Plots, as SVG."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.curves import LISTS, over_sizes
from bench.goals import COMPARED_AT
from bench.growth import KINDS, OPERATIONS
from bench.results import Result
from bench.tables import count
from bench.tournament import PACED

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "taskapi",  # and the same figures give the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
}

COLORS = ("#1b6ca8", "#5fa8d3", "#d98b2b", "#b0473a", "#8a8a8a", "#4a4a4a")


def plot_peers(result: Result, file: Path) -> None:
    """Bars: the throughput of each peer, an axis for each operation."""
    names = [name for name in result.distinct("peer") if name not in {PACED, "PostgreSQL alone"}]
    operations = result.distinct("operation")
    with _saved(file, rows=-(-len(operations) // 2), height=1.6) as axes:
        for axis, operation in zip(axes, operations, strict=False):
            rates = [
                result.median("rate", peer=name, operation=operation, connections=COMPARED_AT) or 0
                for name in names
            ]
            bars = axis.barh(names, rates, color=COLORS[: len(names)])
            axis.bar_label(bars, [count(rate) for rate in rates], padding=3, fontsize=8)
            axis.set_title(f"{operation}, requests a second")
            axis.set_xlim(0, max(rates) * 1.15)
            axis.invert_yaxis()
            axis.tick_params(left=False)
            axis.xaxis.set_visible(False)
            axis.spines["bottom"].set_visible(False)


def plot_growth(result: Result, file: Path) -> None:
    """Curves: the cost of each operation over the size of the table, a line for each kind."""
    sizes = result.about["sizes"]
    with _saved(file, rows=-(-len(OPERATIONS) // 2), height=2.4) as axes:
        for axis, operation in zip(axes, OPERATIONS, strict=False):
            for kind, color in zip(KINDS, COLORS, strict=False):
                costs = over_sizes(result, kind, operation)
                label = f"{kind} per user"
                axis.plot(sizes, costs, color=color, marker="o", markersize=3, label=label)
            axis.set_title(f"{operation}, µs of CPU")
            axis.set_xscale("log")
            axis.set_xticks(sizes, [f"{count(size)} tasks" for size in sizes])
            axis.minorticks_off()
            if operation == LISTS:
                axis.set_yscale("log")
            else:
                axis.set_ylim(bottom=0)
        axes[0].legend(frameon=False)


@contextmanager
def _saved(file: Path, rows: int, height: float) -> Iterator[Sequence[Any]]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, height * rows), layout="constrained")
        axes = list(figure.subplots(rows, 2, squeeze=False).flatten())
        yield axes
        for axis in axes:
            axis.set_visible(axis.has_data())
        figure.savefig(file, format="svg", metadata={"Date": None})
