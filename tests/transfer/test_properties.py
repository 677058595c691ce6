"""What is true of every format: round trips, and that parts of a file make no difference."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.effort import effort
from support.transfer import Task, file_of, lists_of_tasks, read
from taskapi.transfer.formats import EXPORTS
from taskapi.transfer.identity import exported
from taskapi.transfer.records import Record

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
