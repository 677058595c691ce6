"""Responses of every shape on the wire, as an endpoint may make them."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import Response
from starlette.responses import StreamingResponse

from support.service import client_of, serving_app, settings_for
from support.wire import connection_to, request
from taskapi.app import create_app
from taskapi.database.url import DatabaseUrl
from taskapi.edge.router import Router
from taskapi.server.exchange import MAX_JOINED_BYTES

router = Router(include_in_schema=False)

gate = asyncio.Event()

LARGE = bytes(range(256)) * (MAX_JOINED_BYTES // 64)


@router.get("/large")
async def large() -> Response:
    return Response(LARGE)


@router.get("/waits", streams=True)
async def waits() -> Response:
    async def parts() -> AsyncIterator[bytes]:
        await gate.wait()
        yield b"the end"

    return StreamingResponse(parts())


@router.get("/opens")
async def opens() -> Response:
    gate.set()
    return Response(status_code=204)


@router.get("/nothing")
async def nothing() -> Response:
    return StreamingResponse(iter([b"", b"some", b"", b"thing", b""]))


@router.get("/ends/{how}")
async def ends(how: str) -> Response:
    """With a header that would end the head, or with another length than it says."""
    headers = {
        "break": {"X-Name": "a\r\nX-Other: b"},
        "lf": {"X-Name": "a\nX-Other: b"},
        "cr": {"X-Name": "a\rX-Other: b"},
        "nul": {"X-Name": "a\0b"},
        "name": {"X-Name\r\nX-Other": "b"},
        "short": {"Content-Length": "8"},
        "long": {"Content-Length": "6"},
    }
    return Response(b"content", headers=headers[how])


@pytest.fixture(scope="module")
def http(database: DatabaseUrl) -> Iterator[httpx.Client]:
    app = create_app(settings_for(database, log_level="error"))
    app.router.routes.extend(router.routes)
    with serving_app(app) as url, client_of(url) as client:
        yield client


def test_long_content_is_whole(http: httpx.Client) -> None:
    assert http.get("/large").content == LARGE
    assert http.head("/large").headers["Content-Length"] == str(len(LARGE))


def test_the_head_of_a_stream_is_sent_before_its_content(http: httpx.Client) -> None:
    with http.stream("GET", "/waits") as response:  # which returns when it has the head
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert http.get("/opens").status_code == 204
        assert response.read() == b"the end"


def test_empty_parts_do_not_end_a_stream(http: httpx.Client) -> None:
    assert http.get("/nothing").content == b"something"


@pytest.mark.parametrize("how", ["break", "lf", "cr", "nul", "name", "short", "long"])
def test_a_response_that_could_be_read_as_two_is_not_sent(http: httpx.Client, how: str) -> None:
    """The connection ends instead, and the client sees no whole response."""
    with connection_to(http) as connection:
        connection.sendall(request("GET", f"/ends/{how}"))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"X-Other" not in received
    assert not received.endswith(b"content")


def test_responses_to_requests_that_arrive_together_are_in_order(http: httpx.Client) -> None:
    with connection_to(http) as connection:
        paths = ["/nothing", "/large", "/livez", "/opens", "/livez"]
        connection.sendall(b"".join(request("GET", path) for path in paths))
        connection.sendall(request("GET", "/readyz", "Connection: close"))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    statuses = [part[:3] for part in received.replace(LARGE, b"").split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"200", b"200", b"204", b"200", b"200"]
    assert received.count(b"connection: close") == 1
