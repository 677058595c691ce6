"""Errors of a request that breaks a rule which no type can express."""

from fastapi.exceptions import RequestValidationError

MAX_NAME_CHARACTERS = 64
"""Of a member or parameter that an error names."""


def invalid(loc: tuple[str | int, ...], kind: str, message: str) -> RequestValidationError:
    """A 422 for such a rule, at this location of the request."""
    return RequestValidationError([{"loc": loc, "type": kind, "msg": message}])
