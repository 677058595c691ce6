"""The query of a request, read by the same rules for every parameter of every route.

Most requests ask what others have asked before, whoever they are of. So what a query says is kept.
"""

from collections.abc import Set as AbstractSet
from functools import lru_cache, partial
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict

from taskapi.edge.invalid import MAX_NAME_CHARACTERS, invalid

MAX_KEPT = 128
"""Queries of a route. Reading one again takes longer, and nothing else."""

MAX_KEPT_BYTES = 256
"""Of a query that is kept."""


class QueryModel(BaseModel):
    """The query parameters of a route. Frozen, because requests share one."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Query:
    """What a query says. It does not change.

    Attributes:
        values: of the parameters that have one, by their names.
        model: the same as the route's `QueryModel`, once one has been made of it.
    """

    __slots__ = ("model", "values")

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        self.model: Any = None


class QueryReader:
    """Reads the queries of a route.

    Args:
        known: the names of the route's parameters.
    """

    def __init__(self, known: AbstractSet[str]) -> None:
        self._read = partial(_read, known=known)
        self._read_or_recall = lru_cache(MAX_KEPT)(self._read)

    def read(self, query: bytes) -> Query:
        """What a query says; `read_query` tells of errors."""
        return self._read(query) if len(query) > MAX_KEPT_BYTES else self._read_or_recall(query)


def _read(query: bytes, known: AbstractSet[str]) -> Query:
    return Query(read_query(query, known))


def read_query(query: bytes, known: AbstractSet[str]) -> dict[str, str]:
    """The parameters that have a value, by their names.

    An empty one is an absent one: forms and generated clients send `?q=` where nothing was entered.

    Args:
        query: as it stands in the URL.
        known: the names of the route's parameters.

    Raises:
        RequestValidationError: a name is unknown or is there twice, or a value is not UTF-8.
    """
    values: dict[str, str] = {}
    # In Latin-1 each byte stays itself, in the URL as it is or percent-encoded. UTF-8 would have
    # urllib write U+FFFD for what is none.
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    for name, value in pairs:
        if name not in known:
            shown = name.encode("latin-1").decode(errors="replace")[:MAX_NAME_CHARACTERS]
            raise invalid(("query", shown), "extra_forbidden", "Unknown query parameter")
        if name in values:
            raise invalid(("query", name), "repeated", "Query parameter given more than once")
        values[name] = _text(name, value)
    return {name: value for name, value in values.items() if value}


def _text(name: str, latin_1: str) -> str:
    try:
        return latin_1.encode("latin-1").decode()
    except UnicodeDecodeError:
        message = "Should be UTF-8, percent-encoded"
        raise invalid(("query", name), "string_unicode", message) from None
