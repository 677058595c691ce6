"""What became of the operations of a batch, as the JSON that the client gets."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple, Self

from taskapi.edge.conditional import entity_tag
from taskapi.errors import ApiError, QuotaExceeded, TaskDeleted, TaskNotFound, VersionMismatch
from taskapi.idempotency.store import Outcome
from taskapi.resource.store import RenderedRow

FAILURES = (QuotaExceeded, TaskNotFound, TaskDeleted, VersionMismatch)
"""The errors of a single operation. Any other is of the whole request."""

_FAILURES: dict[int, type[ApiError]] = {kind.status: kind for kind in FAILURES}


class Result(NamedTuple):
    """What became of one operation.

    Attributes:
        outcome: what is stored of it.
        tag: the `ETag` of its task; None where it has none.
        task: the JSON of that; for a version that has passed, as it is now.
    """

    outcome: Outcome
    tag: str | None = None
    task: bytes | None = None

    @classmethod
    def of(cls, status: HTTPStatus, row: RenderedRow) -> Self:
        """A task that was written."""
        return cls(Outcome(status, row.id, row.version), entity_tag(row.version), row.json)

    @classmethod
    def failed(cls, error: ApiError, row_id: int | None) -> Self:
        """An operation that was not done.

        Args:
            error: one of `FAILURES`.
            row_id: of the task that it names; None where there is none.
        """
        outcome = Outcome(error.status, row_id)
        if isinstance(error, VersionMismatch):
            return cls(outcome, error.tag, error.current)
        return cls(outcome)

    @classmethod
    def now(cls, outcome: Outcome, row: RenderedRow | None) -> Self:
        """The result of an earlier request, with its task as it is now; None if it is gone."""
        if row is None:
            is_gone = outcome.status in {HTTPStatus.OK, HTTPStatus.CREATED}
            return cls(outcome._replace(status=HTTPStatus.GONE) if is_gone else outcome)
        return cls(outcome, entity_tag(row.version), row.json)

    @property
    def failure(self) -> type[ApiError] | None:
        """The error of an operation that was not done; None of one that was."""
        return _FAILURES.get(self.outcome.status)

    @property
    def json(self) -> bytes:
        """The JSON of a `BatchResult`."""
        status, tag, task = self.outcome.status, _json(self.tag), self.task or b"null"
        kind = self.failure
        if kind is None:
            return b'{"status":%d,"task":%b,"etag":%b}' % (status, task, tag)
        parts = status, tag, _json(kind.code), _json(kind.detail), task
        return b'{"status":%d,"task":null,"etag":%b,"code":%b,"detail":%b,"current":%b}' % parts


def results_json(results: Sequence[Result]) -> bytes:
    """The JSON of `BatchResults`."""
    return b'{"results":[' + b",".join(result.json for result in results) + b"]}"


def _json(text: str | None) -> bytes:
    return json.dumps(text).encode()
