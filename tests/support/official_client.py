"""The official Python client of the Model Context Protocol."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client import session
from mcp.client.streamable_http import streamable_http_client
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from support.waiting import PATIENCE


@asynccontextmanager
async def connected(address: str, token: str, revision: str) -> AsyncIterator[Client]:
    """The client of a service, once both have agreed on a revision.

    It finds out by itself whether the service knows a revision without `initialize`. Of those with
    it, it proposes the newest one, unless it is told another.

    Args:
        address: the service's base address.
        token: of the user.
        revision: of the specification.
    """
    mode = "auto" if revision in MODERN_PROTOCOL_VERSIONS else "legacy"
    headers = {"Authorization": f"Bearer {token}"}
    options: dict[str, Any] = {"headers": headers, "timeout": PATIENCE}
    with pytest.MonkeyPatch.context() as patch:
        if mode == "legacy":
            patch.setattr(session, "LATEST_HANDSHAKE_VERSION", revision)
        async with httpx2.AsyncClient(**options) as http:
            transport = streamable_http_client(f"{address.rstrip('/')}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                assert client.protocol_version == revision
                yield client
