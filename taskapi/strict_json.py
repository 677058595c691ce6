"""JSON as only one reader reads it: in UTF-8, and no object with two members of one name.

Readers differ about `{"a": 1, "a": 2}`: some take the first, some the last (RFC 8259, 4). What a
proxy has checked must be what is stored, and what the auth server has signed must be what counts.
pydantic_core.from_json takes the last and has no hook. A usual body takes 1 microsecond more here,
of about 200 for the request, and one full of escapes takes half as long.
"""

import json
import re
from array import array
from collections import Counter
from itertools import accumulate
from typing import Any, NoReturn

from pydantic_core import from_json

MAX_LEVELS = 500
"""Of arrays and objects in each other. Python's stack allows some 900, but not everywhere: whoever
goes through the value later may have less of it left than `decode` had."""

MAX_NAME_CHARACTERS = 64
"""Of a member that the message names."""

_TEXTS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?')  # `?`: never starts in vain, so linear
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # 1 and -1, as signed bytes
_NO_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))


class NotStrictJson(ValueError):
    """The bytes are not JSON, or not JSON that is read here. The message says why."""


class NotNumber(Exception):
    """NaN, Infinity or -Infinity, which Python's json reads."""


def decode(data: bytes) -> Any:
    """The value of a JSON text.

    Args:
        data: UTF-8 without a byte order mark; the json module alone would detect UTF-16 and UTF-32.

    Raises:
        NotStrictJson: it is malformed, has a duplicate member or NaN or Infinity, a number of more
            than 4300 digits (Python's limit, as converting takes quadratic time), or more than
            `MAX_LEVELS` levels.
    """
    try:
        value = DECODER.decode(data.decode())
    except UnicodeDecodeError as error:
        raise NotStrictJson(f"{error.reason} of UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise NotStrictJson("it is nested too deeply") from None
    except NotNumber as error:
        raise NotStrictJson(f"{error} is not a JSON number{_place(data)}") from None
    except (NotStrictJson, json.JSONDecodeError):
        raise
    except ValueError:  # of int()
        raise NotStrictJson("a number has too many digits") from None
    if data.count(b"[") + data.count(b"{") > MAX_LEVELS and _levels(data) > MAX_LEVELS:
        raise NotStrictJson("it is nested too deeply")
    return value


def _levels(data: bytes) -> int:
    """How deep a JSON text is nested. Without a loop in Python: it may have a million brackets."""
    brackets = _TEXTS.sub(b"", data).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(array("b", brackets)))


def _place(data: bytes) -> str:
    """Where the first of them is, as a reader says it that refuses them, in bytes of the line.

    It reads 200 levels, and 1 MiB in 30 milliseconds; to look outside of all texts here takes 10
    times as long.
    """
    try:
        from_json(data, allow_inf_nan=False)
    except ValueError as error:
        words, _, place = str(error).partition(" at ")
        return "" if words.startswith("recursion") else f": {place}"
    return ""


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        name = json.dumps(twice[:MAX_NAME_CHARACTERS])
        raise NotStrictJson(f"an object has two members of one name, {name}")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise NotNumber(name)


DECODER = json.JSONDecoder(object_pairs_hook=_unique_members, parse_constant=_refuse_constant)
