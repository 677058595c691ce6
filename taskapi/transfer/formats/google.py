"""Google Tasks, as Takeout exports them: `Takeout/Tasks/Tasks.json`.

A list of lists of tasks, each with the members of the Tasks API
(https://developers.google.com/tasks/reference/rest/v1/tasks). An object is parsed when it is
complete, and what stands around them at the end.
"""

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from taskapi import strict_json
from taskapi.transfer.formats import foreign
from taskapi.transfer.formats.identity import NOBODY, Identity, can_be_a_source
from taskapi.transfer.formats.json_objects import PLACEHOLDER, JsonObject, JsonObjects
from taskapi.transfer.formats.lines import UTF_8_MARK
from taskapi.transfer.formats.reading import PartReader
from taskapi.transfer.formats.records import FileRefused, Format, Found, Record, Refusal

LEVELS = b"{[{["
"""The file, its lists, a list, its tasks."""

TEXTS = ("id", "title", "notes", "status", "created", "updated", "due")
"""Members that are read, and are texts where they are."""

DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T00:00:00(?:\.0{1,9})?Z")
"""Google keeps the date of `due` alone."""


class GoogleTasksReader(PartReader[JsonObject]):
    """Reads the tasks of all lists. Deleted ones and those without any text are ignored."""

    def __init__(self) -> None:
        self._objects = JsonObjects(LEVELS)
        super().__init__(self._objects)

    def _check(self, line: int) -> None:
        """Around the tasks are their lists."""
        file = _decoded(line, bytes(self._objects.outside).removeprefix(UTF_8_MARK.encode()))
        lists = file.get("items") if isinstance(file, dict) else None
        if not isinstance(lists, list) or not all(isinstance(each, dict) for each in lists):
            raise FileRefused(1, "the file is not Tasks.json of Google Takeout: it has no lists")
        tasks = [each.get("items", []) for each in lists]
        if not all(isinstance(each, list) for each in tasks) or (
            [*chain.from_iterable(tasks)] != [int(PLACEHOLDER)] * self._objects.count
        ):
            reason = "the file is not Tasks.json of Google Takeout: a list is not of tasks"
            raise FileRefused(1, reason)

    def _found(self, task: JsonObject) -> Iterator[Found]:
        members = _decoded(task.line, task.data)
        for name in TEXTS:
            if not isinstance(members.get(name, ""), str):
                yield Refusal(task.line, f"{name} is not a text")
                return
        record = _record(task.line, members)
        if record is None:
            self.ignored += 1
        else:
            yield record


def _decoded(line: int, data: bytes) -> Any:
    try:
        return strict_json.decode(data)
    except json.JSONDecodeError as error:
        raise FileRefused(line, f"the file is not JSON: {error.msg}") from None
    except strict_json.NotStrictJson as error:
        raise FileRefused(line, f"the file is not JSON: {error}") from None


def _record(line: int, members: dict[str, Any]) -> Record | None:
    due = members.get("due", "")
    values = foreign.values_of(
        members.get("title", ""),
        members.get("notes", ""),
        due=found[1] if (found := DAY.fullmatch(due)) else due,
    )
    if values is None or members.get("deleted") is True:
        return None
    values["is_completed"] = members.get("status") == "completed"
    # Most exports do not say when a task was created: at the latest when it was changed.
    if created_at := members.get("created") or members.get("updated"):
        values["created_at"] = created_at
    task_id = members.get("id", "")
    identity = Identity(task_id, None) if can_be_a_source(task_id) else NOBODY
    return Record(line, values, *identity)


GOOGLE = Format("application/json", "json", GoogleTasksReader)
