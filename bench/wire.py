"""HTTP requests as bytes, for wrk to replay."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class Call(NamedTuple):
    """What a client asks, of any task.

    Attributes:
        method: of the request.
        path: behind that of the tasks; `{key}` is where the task's own stands.
        body: a value to send as JSON.
    """

    method: str
    path: str
    body: object = None

    def of(self, keys: Sequence[object]) -> Iterator["Call"]:
        """The same of each of these tasks, or once where it is about none."""
        for key in keys if "{key}" in self.path else keys[:1]:
            yield self._replace(path=self.path.format(key=key))

    def written(self, tasks: str, token: str) -> bytes:
        """The request of a client that stays connected.

        Args:
            tasks: the path of the tasks.
            token: of the user who asks.
        """
        content = b"" if self.body is None else json.dumps(self.body).encode()
        head = [
            f"{self.method} {tasks}{self.path} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: Bearer {token}",
        ]
        if content:
            head += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        return "\r\n".join([*head, "", ""]).encode() + content


def written(calls: Iterable[Call], keys: Sequence[object], tasks: str, token: str) -> list[bytes]:
    """All of these calls of all of these tasks."""
    return [each.written(tasks, token) for call in calls for each in call.of(keys)]
