"""The header fields of a request, put in order once for all layers that look for one."""

from collections.abc import Iterable
from typing import Self

from starlette.types import Scope


class Fields:
    """Header fields by their names in lower case.

    Args:
        headers: the lines, as ASGI has them.
    """

    __slots__ = ("_lines", "_once")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        lines = list(headers)
        self._once = dict(lines)
        self._lines: dict[bytes, list[bytes]] = {}
        if len(self._once) < len(lines):
            for name, value in lines:
                self._lines.setdefault(name, []).append(value)

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Those of a request, in whose state they stay."""
        state = scope["state"]
        fields: Self | None = state.get("fields")
        if fields is None:
            fields = state["fields"] = cls(scope["headers"])
        return fields

    def lines(self, name: bytes) -> list[bytes]:
        """Every line with this name."""
        if self._lines:
            return self._lines.get(name, [])
        value = self._once.get(name)
        return [] if value is None else [value]

    def only(self, name: bytes) -> bytes | None:
        """The value of a field that was sent in one line; None where there are several, or none."""
        if self._lines:
            lines = self._lines.get(name, [])
            return lines[0] if len(lines) == 1 else None
        return self._once.get(name)
