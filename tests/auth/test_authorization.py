"""Which paths are protected, and who may reach them."""

import httpx
import pytest

from support.people import SECRET
from taskapi.app import create_app
from taskapi.auth.authorization import PROTECTED, ProtectedResource, require_owner, resource_of
from taskapi.auth.claims import User
from taskapi.config import Settings
from taskapi.edge.route import Route
from taskapi.errors import NotYourPath

PUBLIC = {
    "/",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/docs",
    "/docs/assets/{name}",
    "/docs/start.js",
    "/livez",
    "/metrics",
    "/openapi.json",
    "/readyz",
}

ALICE = User("7", 7)


def test_a_route_that_needs_no_token_is_on_the_list_of_public_paths() -> None:
    settings = Settings(
        better_auth_secret=SECRET,
        public_url="https://api.example.com",
        oauth_issuer="https://auth.example.com",
    )
    routes = [route for route in create_app(settings).routes if isinstance(route, Route)]
    assert {route.path for route in routes if resource_of(route.path) is None} == PUBLIC
    assert {route.path for route in routes if route.requires is None} == PUBLIC


@pytest.mark.parametrize("path", ["/", "/api", "/apis/7/tasks", "/API/7/tasks", "/x/api/7", ""])
def test_a_path_under_no_protected_prefix_is_public(path: str) -> None:
    assert resource_of(path) is None


@pytest.mark.parametrize("resource", PROTECTED)
def test_every_path_under_a_protected_prefix_has_its_rule(resource: ProtectedResource) -> None:
    prefix = resource.prefix
    for path in (prefix, f"{prefix}7", f"{prefix}7/nothing/here", f"{prefix}/"):
        assert resource_of(path) is resource


@pytest.mark.parametrize("prefix", [resource.prefix for resource in PROTECTED])
def test_no_cache_stores_a_response_under_a_protected_prefix(
    http: httpx.Client, prefix: str
) -> None:
    """The request log adds the header, below this room: a new prefix has to be named there too."""
    response = http.get(f"{prefix}/nothing/here")
    assert response.status_code == 401
    assert response.headers["Cache-Control"] == "no-store"


def test_an_owner_reaches_everything_below_their_own_segment() -> None:
    for path in ("/api/7", "/api/7/", "/api/7/tasks", "/api/7/tasks/1/complete"):
        require_owner(ALICE, path)


@pytest.mark.parametrize("segment", ["", "8", "77", "07", "7 ", "7;", "/7", "tasks/7", "\u0667"])
def test_nobody_reaches_what_is_below_another_segment(segment: str) -> None:
    with pytest.raises(NotYourPath):
        require_owner(ALICE, f"/api/{segment}/tasks")
