"""What is true of every format: round trips, and that parts of a file make no difference."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.effort import effort
from support.transfer import (
    MILK,
    TOKEN,
    Outcome,
    Task,
    file_of,
    lists_of_tasks,
    one_task,
    read,
    rendered,
)
from taskapi.transfer.formats.identity import exported
from taskapi.transfer.formats.records import Record
from taskapi.transfer.formats.table import EXPORTS, IMPORTS

LOSSLESS = [name for name in EXPORTS if name != "todotxt"]
"""todo.txt has no place for a description."""

CUTS = st.lists(st.integers(0, 2000), max_size=12)
TEXTS_OF_FLAGS = {"true": True, "false": False}


def kept(task: Task) -> dict[str, object]:
    names = ("title", "description", "is_completed", "created_at")
    return {name: task[name] for name in names}


def values_of(record: Record) -> dict[str, object]:
    """With a flag as the API has it, where the format has texts alone."""
    flag: Any = record.values["is_completed"]
    return record.values | {"is_completed": TEXTS_OF_FLAGS.get(flag, flag)}


@pytest.mark.parametrize("name", LOSSLESS)
@given(tasks=lists_of_tasks, cuts=CUTS)
@effort(examples=100)
def test_whatever_a_task_can_hold_comes_back_the_same(
    name: str, tasks: list[Task], cuts: list[int]
) -> None:
    records = read(EXPORTS[name], file_of(EXPORTS[name], tasks), cuts).records
    assert [values_of(record) for record in records] == [kept(task) for task in tasks]
    assert [(record.source, record.task_id) for record in records] == [
        exported(task["id"], datetime.fromisoformat(task["created_at"])) for task in tasks
    ]


# Any file

PIECES = [
    *(form.head for form in EXPORTS.values() if form.head),
    *(form.end(1, TOKEN) for form in EXPORTS.values()),
    *(form.write(rendered([MILK])) for form in EXPORTS.values()),
    b"TYPE,CONTENT\n",
    b"title\n",
    b"task,a\n",
    b"note,b\n",
    b"BEGIN:VCALENDAR\n",
    b"BEGIN:VTODO\n",
    b"SUMMARY:a\n",
    b"END:VTODO\nEND:VCALENDAR\n",
    b'{"items":[{"items":[',
    b'{"title":"a"}',
    b"]}]}",
    *(bytes([each]) for each in b'"\\{}[],;:\t\r\n =x\0'),
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    "é".encode(),
    b"PK\x03\x04",
    b"x" * 131_073,
]

files = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=12).map(b"".join)


@pytest.mark.parametrize("name", IMPORTS)
@given(file=files, cuts=CUTS)
@effort(examples=200)
def test_a_file_of_anything_is_read_or_refused_however_it_is_cut(
    name: str, file: bytes, cuts: list[int]
) -> None:
    at_once = read(IMPORTS[name], file)
    assert read(IMPORTS[name], file, cuts) == at_once
    check_lines(at_once, file)


@pytest.mark.parametrize("name", EXPORTS)
@given(
    tasks=st.lists(one_task, min_size=1, max_size=4),
    start=st.integers(0, 3000),
    length=st.integers(1, 40),
    put=st.binary(max_size=3),
)
@effort(examples=100)
def test_an_export_that_was_damaged_loses_no_task_in_silence(
    name: str, tasks: list[Task], start: int, length: int, put: bytes
) -> None:
    """As long as a task is there, or the file or a record is refused, its user knows."""
    whole = file_of(EXPORTS[name], tasks)
    start = start % len(whole)
    outcome = read(EXPORTS[name], whole[:start] + put + whole[start + length :])
    count = len([each for each in outcome.found if isinstance(each, Record)])
    assert outcome.refused or outcome.refusals or outcome.ignored or count >= len(tasks)


def check_lines(outcome: Outcome, file: bytes) -> None:
    """Each finding names a line of the file, and each reason can be shown."""
    last = file.count(b"\n") + 1
    assert all(1 <= each.line <= last for each in outcome.found)
    reasons = [*outcome.refusals, *([outcome.refused] if outcome.refused else [])]
    assert all(1 <= line <= last and reason.isprintable() for line, reason in reasons)
