"""Routes that stream, or read a stream, in the running service: what ends them, what they hold."""

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import Request
from starlette.responses import StreamingResponse

from support.service import client_of, serving_app, settings_for
from support.waiting import HASTY_SECONDS, eventually
from support.wire import assert_refused, connected, exchange, request
from taskapi.app import create_app
from taskapi.database.url import DatabaseUrl
from taskapi.edge.body import raw_stream
from taskapi.edge.router import Router

REQUEST_TIMEOUT = HASTY_SECONDS
MEGABYTE = 1024 * 1024
PART = b"x" * 65536

router = Router()
ended: list[str] = []


async def ticks(name: str, seconds: float) -> AsyncIterator[bytes]:
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield b"tick\n"
            await asyncio.sleep(0.05)
        yield b"whole\n"
    finally:
        ended.append(name)


@router.get("/ticks", streams=True)
async def stream() -> StreamingResponse:
    return StreamingResponse(ticks("stream", 1.5 * REQUEST_TIMEOUT))


@router.get("/endless", streams=True)
async def endless() -> StreamingResponse:
    return StreamingResponse(ticks("endless", 60))


@router.get("/limited", streams=True, deadline=HASTY_SECONDS)
async def limited() -> StreamingResponse:
    return StreamingResponse(ticks("limited", 60))


@router.get("/short", deadline=0.2)
async def short() -> dict[str, str]:
    await asyncio.sleep(60)
    return {}


@router.get("/waiting", streams=True)
async def waiting() -> dict[str, str]:
    await asyncio.sleep(60)
    return {}


@router.post("/count", reads=raw_stream, max_body_bytes=5 * MEGABYTE, deadline=30)
async def count(request: Request) -> dict[str, int]:
    sizes = [len(part) async for part in request.stream()]
    return {"bytes": sum(sizes), "longest": max(sizes)}


@router.post("/twice", reads=raw_stream)
async def twice(request: Request) -> dict[str, int]:
    first, second = [[part async for part in request.stream()] for _ in range(2)]
    return {"first": len(b"".join(first)), "second": len(second)}


@router.post("/unread")
async def unread(request: Request) -> dict[str, int]:
    return {"bytes": sum([len(part) async for part in request.stream()])}


@pytest.fixture(scope="module")
def streaming(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service with the routes above."""
    app = create_app(settings_for(database, request_timeout=REQUEST_TIMEOUT))
    app.router.routes.extend(router.routes)
    with serving_app(app) as url, client_of(url) as client:
        yield client


def test_a_stream_longer_than_the_request_timeout_is_sent_whole(streaming: httpx.Client) -> None:
    lines = streaming.get("/ticks").text.splitlines()
    assert lines[-1] == "whole"
    assert set(lines[:-1]) == {"tick"}


def test_a_client_that_disconnects_ends_its_stream(streaming: httpx.Client) -> None:
    ended.clear()
    with streaming.stream("GET", "/endless") as response:
        assert next(response.iter_bytes()) == b"tick\n"
    eventually(lambda: ended == ["endless"], "the stream of a client that left ends")


def test_a_stream_with_a_deadline_is_cut_visibly(streaming: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        streaming.get("/limited")


def test_head_of_a_stream_has_its_headers_and_no_end_to_wait_for(streaming: httpx.Client) -> None:
    response = streaming.head("/endless")
    assert response.status_code == 200


def test_a_route_with_a_shorter_deadline_is_cut_at_it(database: DatabaseUrl) -> None:
    app = create_app(settings_for(database, request_timeout=60))
    app.router.routes.extend(router.routes)
    with serving_app(app) as url, client_of(url) as client:
        response = client.get("/short")
    assert (response.status_code, response.json()["code"]) == (503, "timed_out")


def test_a_drain_ends_a_stream_in_order_and_refuses_who_waits(database: DatabaseUrl) -> None:
    app = create_app(settings_for(database, request_timeout=60))
    app.router.routes.extend(router.routes)
    with serving_app(app) as url, client_of(url) as client:
        with client.stream("GET", "/endless") as response:
            lines = response.iter_lines()
            assert next(lines) == "tick"
            app.drain.begun = True
            assert set(lines) <= {"tick"}  # and no error: the response is complete
        waiting = client.get("/waiting")
    assert (waiting.status_code, waiting.json()["code"]) == (503, "unavailable")
    assert waiting.headers["Retry-After"]


# Bodies in parts


def parts(size: int) -> Iterator[bytes]:
    for _ in range(size // len(PART)):
        yield PART


def test_five_megabytes_are_read_in_bounded_memory(streaming: httpx.Client) -> None:
    """By a route whose bodies may have as much, at any content type."""
    tracemalloc.start()
    try:
        response = streaming.post("/count", content=parts(5 * MEGABYTE))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    told = response.json()
    assert told["bytes"] == 5 * MEGABYTE
    assert told["longest"] <= MEGABYTE
    assert peak < 2 * MEGABYTE


def test_a_stream_beyond_its_limit_is_413_announced_or_not(streaming: httpx.Client) -> None:
    announced = request("POST", "/count", f"Content-Length: {5 * MEGABYTE + 1}")
    [answer] = exchange(streaming, announced)
    assert_refused(answer, 413, "body_too_large")
    with connected(streaming) as wire:
        wire.send(request("POST", "/count", "Transfer-Encoding: chunked"))
        wire.send(*[b"10000\r\n" + PART + b"\r\n"] * 81)
        [answer] = wire.answers()
    assert_refused(answer, 413, "body_too_large")


def test_a_body_is_read_once(streaming: httpx.Client) -> None:
    assert streaming.post("/twice", content=b"abc").json() == {"first": 3, "second": 0}


def test_a_body_cannot_be_read_where_its_route_names_no_reader(streaming: httpx.Client) -> None:
    assert streaming.post("/unread", content=b"a").status_code == 413
