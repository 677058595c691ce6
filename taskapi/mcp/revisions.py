"""The revisions of the protocol, and which of them a request is of.

Since 2026-07-28 each request says its revision, and headers repeat what it asks for, so that a
proxy can decide without the body. Before, a client negotiated one with `initialize`.
"""

from base64 import b64decode
from typing import Any

from starlette.datastructures import Headers

from taskapi.edge.invalid import MAX_NAME_CHARACTERS
from taskapi.mcp.messages import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    UNSUPPORTED_PROTOCOL_VERSION,
    RpcError,
    RpcRequest,
)

MODERN = "2026-07-28"

LEGACY = ("2025-11-25", "2025-06-18")
"""Latest first. 2025-03-26 is not served, because there a server must take batches; a request that
names no revision, which is then to be read as of that one, is served as of these."""

SUPPORTED = (MODERN, *LEGACY)

VERSION_HEADER = "MCP-Protocol-Version"
METHOD_HEADER = "Mcp-Method"
NAME_HEADER = "Mcp-Name"

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
SERVER_KEY = "io.modelcontextprotocol/serverInfo"

BASE64 = ("=?base64?", "?=")
"""Around a header value that is not plain ASCII."""


def check_version(headers: Headers) -> str | None:
    """The revision that the header names, if there is one.

    Raises:
        RpcError: it is none that is served.
    """
    version = _only(headers, VERSION_HEADER)
    if version is not None and version not in SUPPORTED:
        raise RpcError(
            UNSUPPORTED_PROTOCOL_VERSION,
            "Unsupported protocol version",
            data={"supported": SUPPORTED, "requested": version[:MAX_NAME_CHARACTERS]},
        )
    return version


def is_modern(headers: Headers, request: RpcRequest) -> bool:
    """Whether a request is of the revision that has no `initialize`.

    Raises:
        RpcError: its body and its headers do not say the same, or it is of no revision that is
            served, or lacks what its revision demands.
    """
    meta = request.params.get("_meta")
    said = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
    if said is not None:
        _check_equal(VERSION_HEADER, _only(headers, VERSION_HEADER), said)
    if check_version(headers) != MODERN:
        return False
    if not isinstance(meta, dict) or said is None:
        raise RpcError(INVALID_PARAMS, f"params._meta should have {VERSION_KEY}.")
    if not isinstance(meta.get(CAPABILITIES_KEY), dict):
        raise RpcError(INVALID_PARAMS, f"params._meta should have {CAPABILITIES_KEY}, an object.")
    _check_equal(METHOD_HEADER, _only(headers, METHOD_HEADER), request.method)
    if request.method == "tools/call" and "name" in request.params:
        _check_equal(NAME_HEADER, _decoded(_only(headers, NAME_HEADER)), request.params["name"])
    return True


def _check_equal(name: str, header: str | None, body: Any) -> None:
    if header is None:
        raise RpcError(HEADER_MISMATCH, f"The header {name} is missing.")
    if header != body:
        raise RpcError(HEADER_MISMATCH, f"The header {name} does not say what the body says.")


def _only(headers: Headers, name: str) -> str | None:
    values = headers.getlist(name)
    if len(values) > 1:  # two readers could choose different ones
        raise RpcError(HEADER_MISMATCH, f"The header {name} is sent more than once.")
    return values[0] if values else None


def _decoded(header: str | None) -> str | None:
    """What a header says in base64, if it does (MCP 2026-07-28, Value Encoding)."""
    prefix, suffix = BASE64
    if header is None or not (header.startswith(prefix) and header.endswith(suffix)):
        return header
    try:
        return b64decode(header[len(prefix) : -len(suffix)], validate=True).decode()
    except ValueError:
        raise RpcError(HEADER_MISMATCH, f"The header {NAME_HEADER} is not valid base64.") from None
