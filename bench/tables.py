"""Markdown tables."""

from collections.abc import Iterable, Sequence

NOTHING = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    """A table whose first column is text, and whose others are numbers unless told."""
    rest = "---:" if numbers else "---"
    lines = [head, ["---", *[rest] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def count(number: float | None) -> str:
    """A number of things, for people."""
    return NOTHING if number is None else f"{number:,.0f}"


def times(ratio: float) -> str:
    """A ratio, with as many digits as mean something."""
    return f"{ratio:.3g}{TIMES}"
