"""JSON as only one reader reads it: in UTF-8, and no object with two members of one name.

Readers differ about `{"a": 1, "a": 2}`: some take the first, some the last (RFC 8259, 4). What a
proxy has checked must be what is stored, and what the auth server has signed must be what counts.
pydantic_core.from_json takes the last and has no hook. A usual body takes 1 microsecond more here,
of about 200 for the request, and one full of escapes takes half as long.
"""

import json
from typing import Any, NoReturn


class NotStrictJson(ValueError):
    """The bytes are not JSON, or not JSON that is read here. The message says why."""


def decode(data: bytes) -> Any:
    """The value of a JSON text.

    Args:
        data: UTF-8 without a byte order mark; the json module alone would detect UTF-16 and UTF-32.

    Raises:
        NotStrictJson: it is malformed, has a duplicate member or NaN or Infinity, a number of more
            than 4300 digits (Python's limit, as converting takes quadratic time), or is nested
            deeper than Python's stack allows (about 900 levels).
    """
    try:
        return DECODER.decode(data.decode())
    except UnicodeDecodeError as error:
        raise NotStrictJson(f"{error.reason} of UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise NotStrictJson("it is nested too deeply") from None
    except (NotStrictJson, json.JSONDecodeError):
        raise
    except ValueError:  # of int()
        raise NotStrictJson("a number has too many digits") from None


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrictJson("an object has two members of one name")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise NotStrictJson(f"{name} is not a JSON number")


DECODER = json.JSONDecoder(object_pairs_hook=_unique_members, parse_constant=_refuse_constant)
