"""The route of a path is found as its routes say, whatever their order and number."""

import asyncio

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from taskapi.edge.route import Route
from taskapi.edge.route_table import RouteTable


def route(method: str, path: str) -> Route:
    async def respond(request: Request) -> dict[str, object]:
        return {"route": f"{method} {path}", **request.scope["path_params"]}

    return Route(path, respond, method=method)


TABLE = RouteTable(
    route(*line.split())
    for line in """
GET /
GET /things
POST /things
GET /things/{name}
PUT /things/{name}
GET /things/newest
GET /things/{name}/parts/{part}
GET /things/{name}/newest
DELETE /things/newest/newest
""".strip().splitlines()
)


def found(method: str, path: str) -> str:
    """What responds, or the methods that the path has."""
    contents = []

    async def receive() -> Message:
        raise AssertionError("no body is read")

    async def send(message: Message) -> None:
        contents.append(message.get("body", b"").decode())

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": []}
    try:
        asyncio.run(TABLE(scope | {"state": {}}, receive, send))
    except HTTPException as refused:
        return f"{refused.status_code} {(refused.headers or {}).get('Allow', '')}".strip()
    return "".join(contents)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", '{"route":"GET /"}'),
        ("POST", "/things", '{"route":"POST /things"}'),
        ("GET", "/things/a", '{"route":"GET /things/{name}","name":"a"}'),
        ("HEAD", "/things/a", '{"route":"GET /things/{name}","name":"a"}'),
        ("GET", "/things/newest", '{"route":"GET /things/newest"}'),
        ("PUT", "/things/newest", '{"route":"PUT /things/{name}","name":"newest"}'),
        (
            "GET",
            "/things/a/parts/b",
            '{"route":"GET /things/{name}/parts/{part}","name":"a","part":"b"}',
        ),
        ("GET", "/things/newest/newest", '{"route":"GET /things/{name}/newest","name":"newest"}'),
        ("GET", "/things/a\nb", '{"route":"GET /things/{name}","name":"a\\nb"}'),
    ],
)
def test_a_literal_segment_goes_before_a_parameter_if_it_has_the_method(
    method: str, path: str, expected: str
) -> None:
    assert found(method, path) == expected


@pytest.mark.parametrize(
    ("method", "path", "methods"),
    [
        ("DELETE", "/things", "GET, HEAD, POST"),
        ("DELETE", "/things/a", "GET, HEAD, PUT"),
        ("DELETE", "/things/newest", "GET, HEAD, PUT"),
        ("PUT", "/things/newest/newest", "DELETE, GET, HEAD"),
    ],
)
def test_another_method_is_told_those_of_all_routes_of_its_path(
    method: str, path: str, methods: str
) -> None:
    assert found(method, path) == f"405 {methods}"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "*",
        "//",
        "things",
        "/things/",
        "/Things",
        "/things//parts/b",
        "/things/a/parts",
        "/things/a/parts/b/",
        "/things/a/parts/b/c/d",
        "/things\n",
        "/" * 60_000,
    ],
)
def test_any_other_path_is_not_found(path: str) -> None:
    assert found("GET", path) == "404"
