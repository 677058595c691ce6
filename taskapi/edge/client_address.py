"""Whose request this is, as far as the network knows: the address of the client."""

from collections.abc import Mapping
from typing import Any


def client_address(scope: Mapping[str, Any]) -> str | None:
    """The address of the peer of a request's connection; None where that is a Unix socket."""
    client: tuple[str, int] | None = scope.get("client")
    return client[0] if client else None
