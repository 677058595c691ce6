"""What `/metrics` says, for tests to compare."""

from collections import defaultdict
from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from support.waiting import eventually

Series = Mapping[str, dict[frozenset[tuple[str, str]], float]]


def figures(http: httpx.Client) -> Series:
    """The value of each series, by its name and its labels."""
    response = http.get("/metrics")
    assert response.status_code == 200
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = defaultdict(dict)
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            found[sample.name][frozenset(sample.labels.items())] = sample.value
    return found


UNDER_WAY = (
    "taskapi_event_streams",
    "taskapi_waiting_reads",
    "taskapi_turns_waiting",
    "taskapi_exports",
    "taskapi_imports",
    "taskapi_database_connections_in_use",
)


def figures_at_rest(http: httpx.Client) -> Series:
    """The figures, once nothing that an earlier test left behind can still change them.

    The service counts a request when it ends, which for a client that has closed its connection
    is some time later, and a little later than what it held is free again. So two looks in a row
    have to show the same requests, but for the looks themselves.
    """
    seen = [figures(http)]

    def at_rest() -> bool:
        seen.append(figures(http))
        before, now = seen[-2:]
        return not any(value(now, name) for name in UNDER_WAY) and ended(before) == ended(now)

    eventually(at_rest, "all is at rest")
    return seen[-1]


def figures_after(http: httpx.Client, before: Series, count: int) -> Series:
    """The figures once so many more requests are counted, which follows their responses."""
    seen = [figures(http)]

    def are_counted() -> bool:
        seen.append(figures(http))
        return ended(seen[-1]) - ended(before) >= count

    eventually(are_counted, f"{count} requests are counted")
    return seen[-1]


def ended(series: Series) -> float:
    """How many requests have ended, without those for the figures."""
    name = "taskapi_requests_total"
    return value(series, name) - value(series, name, route="/metrics")


def value(series: Series, name: str, **labels: str) -> float:
    """The sum of the series of this name that have these labels."""
    wanted = set(labels.items())
    return sum(number for held, number in series[name].items() if wanted <= held)


def labels(series: Series) -> dict[str, set[str]]:
    """The names of the labels that each metric has."""
    return {name: {label for held in rows for label, _ in held} for name, rows in series.items()}
