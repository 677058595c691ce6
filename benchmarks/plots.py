"""The two plots of docs/performance.md, as SVG."""

import statistics
from pathlib import Path

import pygal
from pygal.style import Style

from benchmarks.goal import figure, rates
from benchmarks.growth import KINDS, LIST, POINTS, table_name
from benchmarks.operations import COMMON
from benchmarks.peers import FLOOR, ONE_WORKER, POCKETBASE, TEXTBOOK, TWO_WORKERS
from benchmarks.results import Result

LOOKS = {
    "js": (),  # no script: GitHub shows images only
    "width": 900,
    "height": 320,
    "legend_at_bottom": True,
    "legend_at_bottom_columns": 4,
    "explicit_size": True,
    "no_prefix": True,  # the same figures give the same file
    "style": Style(
        background="white",
        plot_background="white",
        guide_stroke_color="#ddd",
        major_guide_stroke_color="#ddd",
        font_family="sans-serif",
        colors=(
            "#1b6ca8",
            "#5fa8d3",
            "#d98b2b",
            "#b0473a",
            "#5b8c3a",
            "#4a4a4a",
            "#a06cd5",
            "#222",
        ),
    ),
}


def plot_peers(run: Result, file: Path) -> None:
    """Bars: each peer's requests per second, as a part of the floor's."""
    chart = pygal.Bar(title="Requests per second, in parts of the floor's", **LOOKS)
    chart.x_labels = [operation.name for operation in COMMON]
    chart.y_labels = [0, 0.25, 0.5, 0.75, 1]
    for peer in (ONE_WORKER, TWO_WORKERS, POCKETBASE, TEXTBOOK):
        parts = [rates((peer, operation), (FLOOR, operation))(run) for operation in COMMON]
        chart.add(peer, [statistics.median(part) for part in parts])
    chart.render_to_file(str(file))


def plot_growth(run: Result, file: Path) -> None:
    """Lines: the CPU of each operation over the size of the table."""
    sizes = run.about["sizes"]
    chart = pygal.Line(title="µs of CPU per request", logarithmic=True, **LOOKS)
    chart.x_labels = [f"{size:,} tasks" for size in sizes]
    chart.y_labels = [300, 1_000, 3_000, 10_000]
    cases = {operation.name: (operation, 100) for operation in POINTS}
    cases |= {f"list of {tasks}": (LIST, tasks) for tasks in KINDS}
    for name, (operation, tasks) in cases.items():
        costs = [figure("cpu", table_name(size, tasks), operation)(run) for size in sizes]
        chart.add(name, [statistics.median(cost) for cost in costs])
    chart.render_to_file(str(file))
