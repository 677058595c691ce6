"""The one line for each request: its fields, and the trace that it belongs to."""

import json
from typing import Any

import pytest

from support.programs import run_script

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

FIELDS = {"timestamp", "level", "event", "request_id", "method", "route", "status", "ms"}
FIELDS |= {"address", "user"}

ASK = """
import asyncio
import httpx
from support.oauth import ACCEPTED, access_token
from support.people import SECRET, token_for
from taskapi.app import create_app
from taskapi.config import Settings
from taskapi.edge.route import Route

async def bug() -> dict:
    raise RuntimeError("these words are for the log")

async def ask():
    told = {"better_auth_secret": SECRET, "database_url": "postgresql://host/db"}
    app = create_app(Settings.model_validate(told | {"log_format": "json"} | ACCEPTED))
    app.router.routes.append(Route("/api/{user_id}/bug", bug, method="GET", requires="tasks:read"))
    traced = {"traceparent": "00-%s-%s-01"}
    bearer = {"Authorization": f"Bearer {token_for('7')}"}
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        await http.get("/livez", headers={"X-Request-ID": "known-to-both"})
        await http.get("/livez", headers=traced)
        await http.get("/livez", headers=[*traced.items(), *traced.items()])
        await http.get("/livez", headers={"traceparent": "00-rubbish"})
        await http.get("/api/8/tasks", headers=bearer)
        await http.get("/api/7/nothing", headers=bearer)
        await http.get("/api/7/tasks")
        await http.get("/api/7/bug", headers=bearer | traced)
        for token in (token_for("x"), token_for("7", exp=1), f"{token_for('7')}x", "a" * 32, "x"):
            await http.get("/api/7/tasks", headers={"Authorization": f"Bearer {token}"})
        program = access_token("7", "tasks:read")
        await http.post("/api/7/tasks", headers={"Authorization": f"Bearer {program}"})

asyncio.run(ask())
""" % (TRACE, SPAN)  # noqa: UP031 - a program's text is full of braces


@pytest.fixture(scope="module")
def log() -> list[dict[str, Any]]:
    """What a service printed that was asked a few things, in a process of its own."""
    done = run_script(ASK)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def lines(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines of requests, in their order."""
    return [line for line in log if line["event"] == "request"]


def test_each_request_has_one_line_with_these_fields(lines: list[dict[str, Any]]) -> None:
    assert len(lines) == 14
    for line in lines:
        assert FIELDS <= line.keys() <= FIELDS | {"trace_id", "reason", "client_id"}
        assert line["ms"] >= 0
        assert line["level"] == "info"
    assert lines[0]["request_id"] == "known-to-both"
    assert len({line["request_id"] for line in lines}) == len(lines)


def test_the_line_says_who_asked_for_what_and_what_came_of_it(lines: list[dict[str, Any]]) -> None:
    told = [(line["method"], line["route"], line["status"], line["user"]) for line in lines[3:8]]
    assert told == [
        ("GET", "/livez", 200, None),
        ("GET", "unmatched", 403, "7"),
        ("GET", "unmatched", 404, "7"),
        ("GET", "unmatched", 401, None),
        ("GET", "/api/{user_id}/bug", 500, "7"),
    ]


def test_the_line_has_the_clients_address(lines: list[dict[str, Any]]) -> None:
    assert {line["address"] for line in lines} == {"192.0.2.7"}


def test_the_line_of_a_401_has_its_reason_and_no_other_line_has_one(
    lines: list[dict[str, Any]],
) -> None:
    refused = [line for line in lines if line["status"] == 401]
    reasons = [line["reason"] for line in refused]
    assert reasons == ["missing", "user", "expired", "signature", "session", "malformed"]
    assert [line for line in lines if "reason" in line] == refused


def test_the_line_names_the_callers_trace_where_there_is_exactly_one(
    lines: list[dict[str, Any]],
) -> None:
    assert [line.get("trace_id") for line in lines[:4]] == [None, TRACE, None, None]


def test_an_error_is_told_once_and_found_by_request_and_trace(log: list[dict[str, Any]]) -> None:
    [error] = [line for line in log if line["level"] == "error"]
    [request] = [line for line in log if line.get("status") == 500]
    assert error["request_id"] == request["request_id"]
    assert error["trace_id"] == request["trace_id"] == TRACE
    assert error["exception"].startswith("Traceback")


def test_the_line_names_the_program_that_asks_for_its_user(lines: list[dict[str, Any]]) -> None:
    of_program = lines[13]
    told = (of_program["route"], of_program["status"], of_program["user"], of_program["client_id"])
    assert told == ("/api/{user_id}/tasks", 403, "7", "assistant")
    assert not any("client_id" in line for line in lines[:13])
