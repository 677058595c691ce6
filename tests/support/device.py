"""A device of a user: a process of Node with a copy of their tasks, behind a network."""

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from support.network import Network
from support.people import Person
from support.typescript_client import built, node
from support.waiting import PATIENCE

Fields = dict[str, object]

FIELDS = ("title", "description", "is_completed")


class Device:
    """A running device.

    Attributes:
        network: what it reaches the service by.
    """

    def __init__(self, process: subprocess.Popen[str], network: Network) -> None:
        self._process = process
        self.network = network

    def add(self, name: str, **fields: object) -> None:
        """Create a task under a key."""
        self.add_all([{"name": name, **fields}])

    def add_all(self, rows: Sequence[Fields]) -> None:
        """Create tasks at once."""
        usual = {"title": "Buy milk", "description": "", "is_completed": False}
        self._run("add", [usual | row for row in rows])

    def edit(self, name: str, **fields: object) -> None:
        """Change some fields of a task."""
        self._run("edit", name, fields)

    def remove(self, name: str) -> None:
        """Delete a task."""
        self._run("remove", name)

    def restart(self) -> None:
        """Begin to keep in step again, as after the application was closed: only for RxDB."""
        self._run("restart")

    @property
    def conflicts(self) -> int:
        """How many conflicts were resolved since its start: only for RxDB."""
        count: int = self._run("conflicts")
        return count

    @property
    def tasks(self) -> dict[str, Fields]:
        """What it would show now, by name."""
        return {row["name"]: fields_of(row) for row in self._run("list")}

    def _run(self, *command: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        hung = threading.Timer(PATIENCE, self._process.kill)
        hung.start()
        try:
            result = self._process.stdout.readline()
        finally:
            hung.cancel()
        assert result, f"the device has ended at {command}"
        return json.loads(result)


def fields_of(task: Mapping[str, object]) -> Fields:
    """What devices know of a task."""
    return {name: task[name] for name in FIELDS}


@contextmanager
def device(library: str, person: Person, network: Network) -> Iterator[Device]:
    """Start a device that keeps the tasks with a library, and is in step when it can be."""
    process = subprocess.Popen(
        [node(), "test/support/device.mjs", library],
        cwd=built(),
        env={
            "TASKAPI_URL": network.url,
            "TASKAPI_USER": person.id,
            "TASKAPI_TOKEN": person.token,
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    # On leaving, its standard input is closed, which ends it.
    with process:
        yield Device(process, network)
