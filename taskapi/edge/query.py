"""The query of a request, read once, by the same rules for every parameter of every route."""

from collections.abc import Set as AbstractSet
from urllib.parse import parse_qsl

from taskapi.edge.body import MAX_NAME_CHARACTERS, invalid


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
