"""Files of tasks, for tests: what goes out, what comes in, and all that a task can hold."""

import itertools
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from hypothesis import strategies as st

from taskapi.transfer.formats.records import (
    ExportFormat,
    FileRefused,
    Format,
    Found,
    Reader,
    Record,
    Refusal,
)

TOKEN = "AAAA-_" + "b" * 49
"""Of the changes feed: 55 characters of base64url."""

Task = dict[str, Any]

MILK: Task = {
    "id": 7,
    "title": "Buy milk",
    "description": 'Two litres,\nnot {"id":1},{"id":2}',
    "is_completed": True,
    "created_at": "2026-01-31T09:30:00.123456Z",
    "updated_at": "2026-02-01T00:00:00.000000Z",
    "user_id": "alice",
}
VALUES = {name: MILK[name] for name in ("title", "description", "is_completed", "created_at")}
"""What an import keeps of it."""


def rendered(tasks: Iterable[Task]) -> bytes:
    """The JSON objects of tasks as PostgreSQL renders them, with commas between them."""
    return b",".join(
        json.dumps(task, ensure_ascii=False, separators=(",", ":")).encode() for task in tasks
    )


def file_of(form: ExportFormat, tasks: Sequence[Task], *, page: int = 2) -> bytes:
    """An export, written page by page."""
    pages = [tasks[start : start + page] for start in range(0, len(tasks), page)]
    body = b"".join(form.write(rendered(each)) for each in pages)
    return form.head + body + form.end(len(tasks), TOKEN)


class Outcome(NamedTuple):
    """What a reader makes of a file."""

    found: list[Found]
    ignored: int
    refused: tuple[int, str] | None

    @property
    def records(self) -> list[Record]:
        """All of it, of which nothing may be refused."""
        assert self.refused is None
        assert not [each for each in self.found if isinstance(each, Refusal)]
        return [each for each in self.found if isinstance(each, Record)]

    @property
    def values(self) -> list[dict[str, object]]:
        return [record.values for record in self.records]

    @property
    def refusals(self) -> list[tuple[int, str]]:
        return [(each.line, each.reason) for each in self.found if isinstance(each, Refusal)]


def read(form: Format, data: bytes, cuts: Iterable[int] = ()) -> Outcome:
    """Read a file that comes in parts."""
    reader: Reader = form.reader()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    found: list[Found] = []
    try:
        for start, stop in itertools.pairwise(places):
            found.extend(reader.feed(data[start:stop]))
        found.extend(reader.finish())
    except FileRefused as refused:
        return Outcome(found, reader.ignored, (refused.line, refused.reason))
    return Outcome(found, reader.ignored, None)


# All that a task can hold

WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000"
AWKWARD = "\",;:\\'=+-@|\t\r\n\v\x1c\x1f\x7f\x85\u2028\ufeff\uff1d\U0001f600{}[]x#"

any_text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from(AWKWARD),
    max_size=40,
)
lines_of_text = st.lists(any_text, max_size=4).map("\r\n".join)
titles = any_text.map(lambda text: text.strip(WHITE)).filter(bool)
times = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - they are bounds of clocks


def as_text(time: datetime) -> str:
    """A time as the API shows it."""
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}Z".zfill(27)


user_ids = st.integers(1, 2**63 - 1) | st.text(
    st.characters(codec="ascii", exclude_characters="\0"), max_size=9
)
one_task = st.tuples(
    st.integers(1, 2**63 - 1),
    titles,
    any_text | lines_of_text,
    st.booleans(),
    times.map(as_text),
    times.map(as_text),
    user_ids,
).map(lambda values: dict(zip(MILK, values, strict=True)))
"""Its members in the order in which PostgreSQL renders them."""

lists_of_tasks = st.lists(one_task, max_size=5)
