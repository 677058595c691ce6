"""Results of tools: JSON for programs, and the same as text for models that read nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

from taskapi.edge.memory import Share
from taskapi.edge.problem import VALIDATION_FAILED, broken_rule
from taskapi.errors import ApiError, TaskNotFound, VersionMismatch
from taskapi.tasks.batch_results import Result

COPIES = 3
"""Of the JSON of tasks in a response: as it is, and as text, where each quotation mark and each
backslash takes two bytes."""

MAX_BROKEN_RULES = 20
"""Of wrong arguments. More of them say no more to a model."""

CHANGED_MEANWHILE = "The to-do has changed since this version, and is in task as it is now."


class ToolResult(NamedTuple):
    """What a tool returns.

    Attributes:
        json: conforms to the tool's output schema, unless the call failed as a whole.
        is_error: whether nothing was done, so that the model should look at why.
        share: of the memory for responses.
        is_whole_failure: whether the JSON says only why the call failed.
    """

    json: bytes
    is_error: bool = False
    share: Share | None = None
    is_whole_failure: bool = False

    @property
    def members(self) -> bytes:
        """The members of a `CallToolResult`."""
        structured = b"" if self.is_whole_failure else b'"structuredContent":%b,' % self.json
        text = to_json(self.json.decode())
        is_error = b"true" if self.is_error else b"false"
        return b'"content":[{"type":"text","text":%b}],%b"isError":%b' % (
            text,
            structured,
            is_error,
        )


def failed(error: ApiError) -> ToolResult:
    """A call of which nothing was done, for a reason that the model can do something about."""
    return _whole_failure({"code": error.code, "message": error.detail})


def refused(errors: Sequence[Mapping[str, Any]]) -> ToolResult:
    """A call with arguments that break these rules, each with `loc`, `msg` and `type`."""
    rules = [broken_rule(dict(error)) for error in errors[:MAX_BROKEN_RULES]]
    message = "The arguments are not valid: correct them, and call again."
    return _whole_failure({"code": VALIDATION_FAILED, "message": message, "errors": rules})


def _whole_failure(said: Mapping[str, Any]) -> ToolResult:
    return ToolResult(to_json(said), is_error=True, is_whole_failure=True)


def written(results: Sequence[Result]) -> tuple[bytes, bytes]:
    """The JSON of the tasks of what was done, and of the failures, with commas between them."""
    tasks = (result.task for result in results if result.failure is None and result.task)
    failures = (failure_json(result) for result in results if result.failure is not None)
    return b",".join(tasks), b",".join(failures)


def failure_json(result: Result) -> bytes:
    """The JSON of a `Failure`."""
    kind, row_id = result.failure, result.outcome.row_id
    if kind is None or row_id is None:
        raise ValueError("not the failure of an operation on a task")
    message = CHANGED_MEANWHILE if kind is VersionMismatch else kind.detail
    task = b"" if result.task is None else b',"task":%b' % result.task
    parts = row_id, to_json(kind.code), to_json(message), task
    return b'{"id":%d,"code":%b,"message":%b%b}' % parts


def not_found(task_id: int) -> bytes:
    """The JSON of the `Failure` for a task that is not there."""
    return failure_json(Result.failed(TaskNotFound(), task_id))
