"""The bodies of errors, for the document. `edge.problem` is what makes them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, RootModel

from taskapi.edge.problem import FRAMEWORK_CODES
from taskapi.errors import ApiError


def kinds_of_errors(parent: type[ApiError] = ApiError) -> list[type[ApiError]]:
    """All errors with a code of their own, a class before its subclasses' subclasses."""
    children = parent.__subclasses__()
    named = [child for child in children if "code" in vars(child)]
    return named + [kind for child in children for kind in kinds_of_errors(child)]


def error_codes() -> list[str]:
    """Every code that the service can send, in the order of the alphabet."""
    return sorted({kind.code for kind in kinds_of_errors()} | FRAMEWORK_CODES)


class ErrorCode(RootModel[str]):
    """What went wrong, for programs. A later version may have more: then the status tells."""

    model_config = ConfigDict(json_schema_extra={"enum": [*error_codes()]})


class ErrorItem(BaseModel):
    """One broken rule of a request: where, which, and in words."""

    # No union: OpenAPI Generator's Python makes a class of it that fails within one of `detail`.
    loc: Annotated[
        list[Any], Field(description="Names of members, and positions in arrays from 0.")
    ]
    msg: str
    type: str


class ErrorBody(BaseModel):
    """Every error. `detail` is a sentence, or for 422 the list of broken rules."""

    detail: str | list[ErrorItem]
    code: ErrorCode
    request_id: str


class Problem(BaseModel):
    """The same in the form of RFC 9457, for `Accept: application/problem+json`."""

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    code: ErrorCode
    errors: list[ErrorItem] | None = None
    violated_policies: Annotated[
        list[str] | None,
        Field(alias="violated-policies", description="For 429, names of `RateLimit-Policy`."),
    ] = None
    request_id: str
