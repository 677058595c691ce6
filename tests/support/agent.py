"""A user's agent: the official client of the Model Context Protocol, and its messages by hand."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client import session
from mcp.client.streamable_http import streamable_http_client
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from support.waiting import PATIENCE

NEWEST = "2026-07-28"
REVISIONS = (NEWEST, "2025-11-25", "2025-06-18")
"""The revisions of the specification that the service implements, the newest first."""

META = {
    "io.modelcontextprotocol/protocolVersion": NEWEST,
    "io.modelcontextprotocol/clientCapabilities": {},
}
"""What every request of the newest revision says about its client."""


@asynccontextmanager
async def connected(address: str, token: str, revision: str) -> AsyncIterator[Client]:
    """The client of a service, once both have agreed on a revision.

    It finds out by itself whether the service knows a revision without a handshake. Of those with
    one it proposes the newest, unless it is told another.

    Args:
        address: the service's base address.
        token: of the user.
        revision: of the specification.
    """
    mode = "auto" if revision in MODERN_PROTOCOL_VERSIONS else "legacy"
    options: dict[str, Any] = {
        "headers": {"Authorization": f"Bearer {token}"},
        "timeout": PATIENCE,
    }
    with pytest.MonkeyPatch.context() as patch:
        if mode == "legacy":
            patch.setattr(session, "LATEST_HANDSHAKE_VERSION", revision)
        async with httpx2.AsyncClient(**options) as http:
            transport = streamable_http_client(f"{address.rstrip('/')}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                assert client.protocol_version == revision
                yield client


def message(method: str, **params: object) -> dict[str, Any]:
    """A request of the newest revision."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}


def headers_of(asked: Mapping[str, Any]) -> dict[str, str]:
    """The headers that go with a request of the newest revision."""
    named = {"Mcp-Name": asked["params"]["name"]} if asked["method"] == "tools/call" else {}
    return {
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": NEWEST,
        "Mcp-Method": asked["method"],
        **named,
    }


def send(http: httpx.Client, token: str | None, asked: Mapping[str, Any]) -> httpx.Response:
    """The response to a request of the newest revision, by a user or by nobody."""
    headers = headers_of(asked)
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return http.post("/mcp", headers=headers, json=asked)


def result_of(http: httpx.Client, token: str, method: str, **params: object) -> dict[str, Any]:
    """The result of a request that is not refused."""
    response = send(http, token, message(method, **params))
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()["result"]
    return result


def tools_for(http: httpx.Client, token: str) -> list[dict[str, Any]]:
    """The tools that are listed to a user."""
    tools: list[dict[str, Any]] = result_of(http, token, "tools/list")["tools"]
    return tools
