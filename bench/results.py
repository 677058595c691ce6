"""What was measured: kept as CSV, read back for tables and plots."""

import csv
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement.

    Attributes:
        peer: who answered.
        operation: what was asked.
        connections: by how many connections at once.
        round: in which round; peers are compared within one.
        requests: how many were answered.
        rate: answers a second.
        errors: how many of them were errors.
        p50: milliseconds; p95 and p99 likewise.
        api_cpu: microseconds of CPU of the processes that answer, for each request.
        database_cpu: the same of the database's processes.
        api_megabytes: memory of the processes that answer.
        worker_megabytes: of the largest of them.
        others: cores busy with neither of them nor with making the load.
    """

    peer: str
    operation: str
    connections: int
    round: int
    requests: int
    rate: float
    errors: int
    p50: float
    p95: float
    p99: float
    api_cpu: float
    database_cpu: float
    api_megabytes: float
    worker_megabytes: float
    others: float

    @property
    def cpu(self) -> float:
        """Microseconds of CPU for each request, wherever."""
        return self.api_cpu + self.database_cpu

    @classmethod
    def read(cls, row: dict[str, str]) -> Self:
        """A sample from its line."""
        return cls(**{field.name: field.type(row[field.name]) for field in fields(cls)})  # type: ignore[operator]  # the types of fields are classes here


@dataclass(frozen=True)
class Result:
    """All that one run of the benchmark found.

    Attributes:
        about: the machine, the versions, how it was run, and what is measured once.
        samples: the measurements.
    """

    about: dict[str, Any]
    samples: Sequence[Sample]

    def save(self, name: str) -> None:
        """Keep it under a name."""
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(self.about, indent=2) + "\n")
        with (RESULTS / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Sample)])
            writer.writeheader()
            for sample in self.samples:
                writer.writerow({name: _short(value) for name, value in asdict(sample).items()})

    @classmethod
    def load(cls, name: str) -> Self | None:
        """What was kept under a name, if anything was."""
        if not (RESULTS / f"{name}.json").exists():
            return None
        with (RESULTS / f"{name}.csv").open(newline="") as file:
            samples = [Sample.read(row) for row in csv.DictReader(file)]
        return cls(json.loads((RESULTS / f"{name}.json").read_text()), samples)

    def median(self, figure: str, **chosen: object) -> float | None:
        """The median of a figure over the rounds, of the samples that have these values."""
        values = [getattr(sample, figure) for sample in self.chosen(**chosen)]
        return statistics.median(values) if values else None

    def chosen(self, **values: object) -> list[Sample]:
        """The samples that have these values."""
        return [
            sample
            for sample in self.samples
            if all(getattr(sample, name) == value for name, value in values.items())
        ]

    def ratios(self, figure: str, ours: str, theirs: str, **chosen: object) -> list[float]:
        """A figure of ours divided by theirs, in each round in which both were measured.

        Infinite where theirs is zero: who answered nothing in time has no rate.
        """
        other = {sample.round: sample for sample in self.chosen(peer=theirs, **chosen)}
        pairs = [
            (getattr(sample, figure), getattr(other[sample.round], figure))
            for sample in self.chosen(peer=ours, **chosen)
            if sample.round in other
        ]
        return [one / another if another else math.inf for one, another in pairs]

    def distinct(self, attribute: str, **chosen: object) -> list[Any]:
        """The values of an attribute, in the order in which they were measured."""
        return list(dict.fromkeys(getattr(sample, attribute) for sample in self.chosen(**chosen)))


def _short(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
