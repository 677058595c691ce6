"""Where schemathesis is told not to mind: each case narrow, each with its reason.

Loaded by schemathesis as its hooks.
"""

from typing import Any

import schemathesis
from schemathesis import Case, HookContext, Response, SerializationContext
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import (
    AllowHeaderMismatch,
    RejectedPositiveData,
    UnsupportedMethodResponse,
)

from taskapi.tasks.models import MAX_TITLE_CHARACTERS


@schemathesis.serializer("application/octet-stream")
def as_it_is(_context: SerializationContext, value: Any) -> bytes:
    """A file is sent as it is: the example of its format, or bytes that no format allows."""
    return value if isinstance(value, bytes) else str(value).encode()


def depends_on_what_happened_before(answer: Any) -> bool:
    """No schema can say which version a task has by now, and which keys were used already."""
    return answer.get("code") in {"version_mismatch", "idempotency_key_reused"}


def needs_a_cursor_of_ours(answer: Any) -> bool:
    """A cursor is opaque: no schema says how the service makes one, and it belongs to one list.

    The same is true of a token of the feed, which may also be too old.
    """
    refused = any(item["loc"][1:] in (["cursor"], ["since"]) for item in _items(answer))
    return refused or answer.get("code") == "resync_required"


def breaks_a_rule_between_parameters(answer: Any) -> bool:
    """OpenAPI knows no rule between two query parameters, such as that one excludes the other."""
    return any(item["loc"] == ["query"] for item in _items(answer))


def takes_a_float_for_an_integer(answer: Any) -> bool:
    """JSON Schema counts 4.0 among the integers; an id is written without a fraction."""
    return any(item["type"] == "int_type" for item in _items(answer))


def names_members_that_strict_handling_refuses(answer: Any) -> bool:
    """A schema of a body cannot say that a header (`Prefer`) forbids additional properties."""
    return any(
        item["type"] == "extra_forbidden" and item["loc"][0] == "body" for item in _items(answer)
    )


def is_no_file_of_tasks(answer: Any) -> bool:
    """No schema says which bytes are a file of a format."""
    return any(item["type"] == "import_refused" for item in _items(answer))


def _items(answer: Any) -> list[Any]:
    return answer["detail"] if isinstance(answer["detail"], list) else []


REFUSALS_NO_SCHEMA_CAN_SAY = (
    depends_on_what_happened_before,
    needs_a_cursor_of_ours,
    breaks_a_rule_between_parameters,
    takes_a_float_for_an_integer,
    names_members_that_strict_handling_refuses,
    is_no_file_of_tasks,
)


def is_its_own_mistake(answer: Any, case: Case[Any]) -> bool:
    """Its coverage phase makes no text with quotation marks for a header, as tags have them.

    Where it has no right value for a header it sends a wrong one, with requests it calls right.
    """
    in_coverage = case.meta is not None and case.meta.phase.name is TestPhase.COVERAGE
    return in_coverage and any(item["type"] == "tags_invalid" for item in _items(answer))


def is_short_enough_when_trimmed(case: Case[Any]) -> bool:
    """JSON Schema counts the white space around a title, which is trimmed before it is measured."""
    body = case.body if isinstance(case.body, dict) else {}
    operations = body.get("operations")
    parts = [body, *operations] if isinstance(operations, list) else [body]
    titles = [part.get("title") for part in parts if isinstance(part, dict)]
    return any(
        isinstance(title, str) and len(title.strip()) <= MAX_TITLE_CHARACTERS < len(title)
        for title in titles
    )


def is_spelled_otherwise(case: Case[Any]) -> bool:
    """No schema says that a query parameter without a value is none, nor that `1` is true."""
    query = {name: value for name, value in (case.query or {}).items() if isinstance(value, str)}
    is_empty = "" in query.values() or not query.get("q", "x").strip()
    return is_empty or query.get("is_completed") in {"1", "0", "True", "False"}


@schemathesis.hook
def filter_failure(
    context: HookContext, failure: Failure, case: Case[Any], response: Response
) -> bool:
    """Whether a failure is one."""
    if isinstance(failure, RejectedPositiveData):
        answer = response.json()
        known = any(refuses(answer) for refuses in REFUSALS_NO_SCHEMA_CAN_SAY)
        return not (known or is_its_own_mistake(answer, case))
    if isinstance(failure, AcceptedNegativeData):
        return not (is_short_enough_when_trimmed(case) or is_spelled_otherwise(case))
    if isinstance(failure, AllowHeaderMismatch | UnsupportedMethodResponse):
        # These are addresses of a task too, whose id is not a number: they have the methods of
        # both, and all but their own answer 422 to the id.
        return not case.path.endswith(("/batch", "/changes", "/export", "/import"))
    return True
