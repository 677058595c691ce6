"""What was measured: kept as CSV, read back for the page and its plots."""

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
    """One measurement, of a peer (for growth, of a table) in a round.

    Attributes:
        requests: number of responses, of which `errors` were wrong; `rate` per second.
        p50: milliseconds; p95 and p99 likewise.
        api_cpu: microseconds of CPU per request of the server's processes.
        database_cpu: the same of PostgreSQL's.
        api_megabytes: memory of the server's processes.
        worker_megabytes: of the largest of them.
        others: cores that were busy with something else.
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
        """Microseconds of CPU per request, server and database together."""
        return self.api_cpu + self.database_cpu


@dataclass(frozen=True)
class Result:
    """All that one run has found.

    Attributes:
        about: the machine, the versions, how it was run, and what is measured once.
        samples: the measurements.
    """

    about: dict[str, Any]
    samples: Sequence[Sample]

    def save(self, name: str) -> None:
        """Keep it under a name."""
        (RESULTS / f"{name}.json").write_text(json.dumps(self.about, indent=2) + "\n")
        with (RESULTS / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(field.name for field in fields(Sample))
            for sample in self.samples:
                values = asdict(sample).values()
                writer.writerow(f"{it:.6g}" if isinstance(it, float) else it for it in values)

    @classmethod
    def load(cls, name: str) -> Self:
        """What is kept under a name."""
        types = {field.name: field.type for field in fields(Sample)}
        with (RESULTS / f"{name}.csv").open(newline="") as file:
            samples = [
                Sample(**{key: types[key](text) for key, text in row.items()})  # type: ignore[operator]  # the types of its fields are classes
                for row in csv.DictReader(file)
            ]
        return cls(json.loads((RESULTS / f"{name}.json").read_text()), samples)

    def chosen(self, **values: object) -> list[Sample]:
        """The samples that have these values."""
        return [
            sample
            for sample in self.samples
            if all(getattr(sample, name) == value for name, value in values.items())
        ]

    def figures(self, figure: str, **chosen: object) -> list[float]:
        """A figure in each round."""
        return [getattr(sample, figure) for sample in self.chosen(**chosen)]

    def median(self, figure: str, **chosen: object) -> float:
        """The median of a figure over the rounds; not a number where there is none."""
        values = self.figures(figure, **chosen)
        return statistics.median(values) if values else math.nan

    def distinct(self, attribute: str) -> list[Any]:
        """The values of an attribute, in the order in which they were measured."""
        return list(dict.fromkeys(getattr(sample, attribute) for sample in self.samples))
