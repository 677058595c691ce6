"""The metadata of the protected resources (RFC 9728): where a program gets a token for them."""

from typing import Any

from fastapi import Request

from taskapi.auth.authorization import MCP, TASKS, ProtectedResource, served
from taskapi.config import Settings
from taskapi.edge.route import Route
from taskapi.edge.router import Router
from taskapi.scopes import SUPPORTED
from taskapi.state import state_of

WELL_KNOWN = "/.well-known/oauth-protected-resource"

_router = Router(include_in_schema=False)


def metadata_url(settings: Settings, resource: ProtectedResource) -> str | None:
    """The URL of a resource's metadata; None where no access token is accepted."""
    if settings.access_token_issuer is None:
        return None
    return f"{settings.public_url}{WELL_KNOWN}{resource.path}"


def routes(settings: Settings) -> list[Route]:
    """The routes of the metadata, of each resource that accepts access tokens."""
    if settings.access_token_issuer is None:
        return []
    paths = {WELL_KNOWN + resource.path for resource in served(settings)}
    return [route for route in _router.routes if route.path in paths]


@_router.get(WELL_KNOWN + TASKS.path)
async def get_tasks_metadata(request: Request) -> dict[str, Any]:
    """Of the API."""
    return _metadata(state_of(request).settings, TASKS)


@_router.get(WELL_KNOWN + MCP.path)
async def get_mcp_metadata(request: Request) -> dict[str, Any]:
    """Of the endpoint for agents."""
    return _metadata(state_of(request).settings, MCP)


def _metadata(settings: Settings, resource: ProtectedResource) -> dict[str, Any]:
    return {
        "resource": f"{settings.public_url}{resource.path}",
        "authorization_servers": [settings.access_token_issuer],
        "scopes_supported": SUPPORTED,
        "bearer_methods_supported": ["header"],
        "resource_name": "taskapi",
    }
