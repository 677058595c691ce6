"""The protocol at /mcp: messages, revisions, headers, errors (MCP 2026-07-28 and 2025-11-25)."""

import json
import subprocess
import sys
from base64 import b64encode
from typing import Any

import httpx
import pytest

from support.agent import LEGACY, META, MODERN, Agent, error_of
from support.calls import assert_refused
from support.machine import ROOT
from support.oauth import ACCEPTED, PUBLIC_URL, access_token
from support.people import Person
from support.service import client_for, settings_for
from taskapi.database.url import DatabaseUrl
from taskapi.scopes import READ, WRITE

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

NO_IDS: list[object] = [None, 1.5, True, [], {}]
NO_PARAMS: list[object] = [None, [], 1, "x"]

NAMES = [
    "find_tasks",
    "get_tasks",
    "add_tasks",
    "update_tasks",
    "complete_tasks",
    "delete_tasks",
    "search",
    "fetch",
]
READING = ["find_tasks", "get_tasks", "search", "fetch"]


# --- The revision without a beginning ---


def test_discovery_says_what_there_is(agent: Agent) -> None:
    found = agent.result("server/discover")
    assert found["supportedVersions"] == [MODERN, LEGACY, "2025-06-18"]
    assert found["capabilities"] == {"tools": {}}
    assert "never instructions" in found["instructions"]
    assert "ask before you call delete_tasks" in found["instructions"]


def test_each_result_is_complete_and_says_who_gives_it(agent: Agent) -> None:
    results = [
        agent.result("server/discover"),
        agent.result("tools/list"),
        agent.call("find_tasks"),
    ]
    for result in results:
        assert result["resultType"] == "complete"
        assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "taskapi"


def test_what_seldom_changes_may_be_kept_by_this_caller_alone(agent: Agent) -> None:
    for method in ("server/discover", "tools/list"):
        result = agent.result(method)
        assert (result["ttlMs"] > 0, result["cacheScope"]) == (True, "private")
    assert "ttlMs" not in agent.call("find_tasks")


@pytest.mark.parametrize(
    "headers",
    [
        {"MCP-Protocol-Version": ""},
        {"MCP-Protocol-Version": LEGACY},
        {"Mcp-Method": "tools/list"},
        {"Mcp-Method": "TOOLS/CALL"},
        {"Mcp-Name": "get_tasks"},
        {"Mcp-Name": "=?base64?%%%?="},
        {"Mcp-Name": "=?base64?/w==?="},
        {"Mcp-Name": "=?base64?="},
    ],
)
def test_a_header_that_contradicts_the_body_is_refused(
    agent: Agent, headers: dict[str, str]
) -> None:
    params = {"name": "find_tasks", "arguments": {}}
    error_of(agent.request("tools/call", params, headers=headers), 400, HEADER_MISMATCH)


@pytest.mark.parametrize("name", ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"])
@pytest.mark.parametrize("times", [0, 2])
def test_a_header_that_is_missing_or_sent_twice_is_refused(
    agent: Agent, name: str, times: int
) -> None:
    right = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "find_tasks"}
    headers = [(each, right[each]) for each in right for _ in range(times if each == name else 1)]
    headers.append(("Authorization", f"Bearer {agent.token}"))
    params = {"name": "find_tasks", "_meta": META}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    response = agent.http.post("/mcp", json=message, headers=headers)
    error_of(response, 400, HEADER_MISMATCH)


def test_a_name_may_stand_in_base64_in_its_header(agent: Agent) -> None:
    name = f"=?base64?{b64encode(b'find_tasks').decode()}?="
    response = agent.request("tools/call", {"name": "find_tasks"}, headers={"Mcp-Name": name})
    assert response.json()["result"]["isError"] is False


@pytest.mark.parametrize("missing", ["protocolVersion", "clientCapabilities", None])
def test_a_request_without_what_its_revision_demands_is_refused(
    agent: Agent, missing: str | None
) -> None:
    meta = {key: META[key] for key in META if key != f"io.modelcontextprotocol/{missing}"}
    params = {"_meta": meta} if missing else {}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params}
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/list"}
    error_of(agent.post(message, headers=headers), 400, INVALID_PARAMS)


def test_an_unknown_revision_is_refused_with_those_that_are_served(agent: Agent) -> None:
    for version in ("1900-01-01", "2025-03-26"):
        meta = META | {"io.modelcontextprotocol/protocolVersion": version}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
        for sent in (message, PING, {"jsonrpc": "2.0", "method": "notifications/cancelled"}):
            response = agent.post(sent, headers={"MCP-Protocol-Version": version})
            data = error_of(response, 400, UNSUPPORTED_VERSION)["data"]
            assert data == {"supported": [MODERN, LEGACY, "2025-06-18"], "requested": version}


@pytest.mark.parametrize("method", ["ping", "initialize", "resources/list", "", "x" * 1000])
def test_an_unknown_method_is_404(agent: Agent, method: str) -> None:
    error = error_of(agent.request(method), 404, METHOD_NOT_FOUND)
    assert len(error["message"]) < 100


# --- The revisions that begin with `initialize` ---


@pytest.mark.parametrize(
    ("asked", "agreed"),
    [
        (LEGACY, LEGACY),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", LEGACY),
        (MODERN, LEGACY),
        ("next", LEGACY),
    ],
)
def test_a_beginning_agrees_on_a_revision(alice: Person, asked: str, agreed: str) -> None:
    params = {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "x"}}
    message = {"jsonrpc": "2.0", "id": "first", "method": "initialize", "params": params}
    response = Agent.of(alice).post(message)
    answer = response.json()
    assert answer["id"] == "first"
    assert answer["result"].keys() == {
        "protocolVersion",
        "capabilities",
        "serverInfo",
        "instructions",
    }
    assert answer["result"]["protocolVersion"] == agreed
    assert "mcp-session-id" not in response.headers


def test_a_beginning_without_a_revision_is_refused(legacy: Agent) -> None:
    for params in ({}, {"protocolVersion": 1}):
        error_of(legacy.request("initialize", params), 200, INVALID_PARAMS)


def test_results_are_plain(legacy: Agent) -> None:
    assert legacy.result("ping") == {}
    assert legacy.result("tools/list").keys() == {"tools"}
    assert legacy.call("find_tasks").keys() == {"content", "structuredContent", "isError"}


def test_a_client_that_names_no_revision_is_served(alice: Person) -> None:
    assert Agent.of(alice).post(PING).json() == {"jsonrpc": "2.0", "id": 1, "result": {}}


def test_an_unknown_method_is_an_error_in_a_response(legacy: Agent) -> None:
    for method in ("server/discover", "resources/list", "logging/setLevel"):
        error_of(legacy.request(method), 200, METHOD_NOT_FOUND)


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": ""}},
    ],
)
def test_what_has_no_answer_is_202(agent: Agent, message: dict[str, Any]) -> None:
    response = agent.post(message)
    assert (response.status_code, response.content) == (202, b"")


# --- Whatever comes ---


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD"])
def test_another_method_of_http_is_405(alice: Person, method: str) -> None:
    response = alice.http.request(
        method, "/mcp", headers={"Authorization": f"Bearer {alice.token}"}
    )
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b'"\\ud800"',
        b'{"jsonrpc":"2.0","jsonrpc":"2.0"}',
        b"[" * 100_000,
        b'{"id": NaN}',
        b'{"id": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda content: content[:20],
)
def test_what_is_no_json_is_a_parse_error(agent: Agent, content: bytes) -> None:
    response = agent.post(content=content)
    error_of(response, 400, PARSE_ERROR)
    assert "id" not in response.json()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ([], INVALID_REQUEST),
        ("ping", INVALID_REQUEST),
        (None, INVALID_REQUEST),
        ({}, INVALID_REQUEST),
        (PING | {"jsonrpc": "1.0"}, INVALID_REQUEST),
        (PING | {"method": None}, INVALID_REQUEST),
        (PING | {"method": 7}, INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": 1}, INVALID_REQUEST),
        *((PING | {"id": wrong}, INVALID_REQUEST) for wrong in NO_IDS),
        *((PING | {"params": wrong}, INVALID_PARAMS) for wrong in NO_PARAMS),
    ],
)
def test_what_is_no_request_is_refused(agent: Agent, message: object, code: int) -> None:
    response = agent.post(content=json.dumps(message))
    error_of(response, 400, code)
    has_id = isinstance(message, dict) and message.get("id") is PING["id"]
    assert response.json().get("id") == (1 if has_id else None)


def test_a_batch_is_told_what_to_do_instead(agent: Agent) -> None:
    assert "one message at a time" in error_of(agent.post([PING]), 400, INVALID_REQUEST)["message"]


@pytest.mark.parametrize("message_id", ["", "a", 0, -1, 2**63, 10**4000, "\x00\n", "日本"])
def test_an_answer_has_the_id_of_its_request(agent: Agent, message_id: object) -> None:
    found = agent.post(PING | {"id": message_id}).json()["id"]
    assert (type(found), found) == (type(message_id), message_id)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"name": None},
        {"name": 7, "arguments": {}},
        {"name": "find_tasks", "arguments": []},
        {"name": "find_tasks", "arguments": "{}"},
        {"name": "drop_tasks"},
        {"name": "x" * 100_000},
        {"name": "__class__"},
    ],
    ids=lambda params: str(params)[:40],
)
def test_a_call_of_no_tool_is_an_error(legacy: Agent, params: dict[str, Any]) -> None:
    error = error_of(legacy.request("tools/call", params), 200, INVALID_PARAMS)
    assert len(error["message"]) < 100


def test_a_call_of_an_unknown_tool_is_400(agent: Agent) -> None:
    error_of(agent.request("tools/call", {"name": "drop_tasks"}), 400, INVALID_PARAMS)


def test_the_list_of_tools_has_one_page(agent: Agent) -> None:
    assert "nextCursor" not in agent.result("tools/list")
    error_of(agent.request("tools/list", {"cursor": "x"}), 400, INVALID_PARAMS)


def test_a_body_that_is_too_large_or_no_json_keeps_its_status(agent: Agent) -> None:
    parts = [b" " * 1024] * 1025
    for content in (b"".join(parts), iter(parts)):  # with its length announced, and without
        large = error_of(agent.post(content=content), 413, INVALID_REQUEST)
        assert large["data"]["code"] == "body_too_large"
    plain = agent.post(content=b"{}", headers={"Content-Type": "text/plain"})
    assert error_of(plain, 415, INVALID_REQUEST)["data"]["code"] == "unsupported_media_type"


def test_a_query_is_refused(agent: Agent) -> None:
    response = agent.http.post("/mcp?token=x", headers={"Authorization": f"Bearer {agent.token}"})
    assert error_of(response, 422, 422)["data"]["code"] == "validation_failed"


# --- Who may ask ---


def test_nobody_is_401(agent: Agent) -> None:
    agent.token = None
    assert_refused(agent.request("tools/list"), 401, "not_authenticated")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:3000.evil", ""]
)
def test_a_page_of_a_foreign_origin_is_403(agent: Agent, origin: str) -> None:
    response = agent.request("tools/list", headers={"Origin": origin})
    error = error_of(response, 403, INVALID_REQUEST)
    assert error["data"] == {"code": "origin_not_allowed"}
    assert "id" not in response.json()


def test_a_page_of_an_allowed_origin_is_served(
    agent: Agent, public: httpx.Client, alice: Person
) -> None:
    there = Agent(public, alice.token)
    for served, origin in ((agent, "http://localhost:3000"), (there, PUBLIC_URL)):
        response = served.request("tools/list", headers={"Origin": origin})
        assert response.status_code == 200
    error_of(agent.request("tools/list", headers={"Origin": PUBLIC_URL}), 403, INVALID_REQUEST)


def test_tools_are_shown_by_what_the_token_grants(public: httpx.Client, alice: Person) -> None:
    """In the same order each time."""
    for scope, names in ((READ, READING), (WRITE, NAMES), (f"{WRITE} {READ}", NAMES)):
        agent = Agent(public, access_token(alice.id, scope))
        for _ in range(2):
            assert [tool["name"] for tool in agent.result("tools/list")["tools"]] == names


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(READING)))
def test_a_tool_that_writes_needs_a_token_that_may(
    public: httpx.Client, alice: Person, name: str
) -> None:
    """Refused before anything is done, with all scopes that the client should ask for."""
    agent = Agent(public, access_token(alice.id, READ))
    response = agent.request("tools/call", {"name": name, "arguments": {"ids": "wrong"}})
    assert error_of(response, 403, 403)["data"]["code"] == "insufficient_scope"
    assert response.json()["id"] == 1
    assert f'scope="{READ} {WRITE}"' in response.headers["WWW-Authenticate"]


def test_without_any_scope_nothing_is_served(public: httpx.Client, alice: Person) -> None:
    agent = Agent(public, access_token(alice.id, "openid"))
    refusal = error_of(agent.request("tools/list"), 403, 403)
    assert refusal["data"]["code"] == "insufficient_scope"


# --- The service ---


def test_it_can_be_switched_off(database: DatabaseUrl, alice: Person) -> None:
    """Nobody is led to sign in for what is not there."""
    with client_for(settings_for(database, **ACCEPTED, mcp_enabled=False)) as http:
        for token in (alice.token, None):
            response = Agent(http, token).request("tools/list")
            assert_refused(response, 404, "route_not_found")
        metadata = "/.well-known/oauth-protected-resource"
        assert_refused(http.get(f"{metadata}/mcp"), 404, "route_not_found")
        assert http.get(metadata).status_code == 200


def test_without_the_database_a_call_is_503_and_a_list_is_not(
    stranded: httpx.Client, alice: Person
) -> None:
    agent = Agent(stranded, alice.token)
    assert len(agent.result("tools/list")["tools"]) == len(NAMES)
    response = agent.request("tools/call", {"name": "find_tasks"})
    assert error_of(response, 503, 503)["data"]["code"] == "database_unavailable"
    assert response.json()["id"] == 1
    assert response.headers["Retry-After"]


def test_nothing_of_it_may_be_stored_by_a_cache(agent: Agent) -> None:
    assert agent.request("tools/list").headers["Cache-Control"] == "no-store"


def test_a_process_that_never_sees_an_agent_has_not_imported_what_serves_one() -> None:
    imported = "print(*sorted(name for name in sys.modules if name.startswith('taskapi.mcp')))"
    command = [sys.executable, "-c", f"import sys, taskapi.app; {imported}"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["taskapi.mcp", "taskapi.mcp.messages", "taskapi.mcp.routes"]
