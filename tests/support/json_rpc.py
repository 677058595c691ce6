"""What every answer of `/mcp` is, whatever was sent."""

import json

import httpx

from taskapi.mcp.messages import PARSE_ERROR

NOT_READ = {403, 413, 415}
"""Statuses of refusals before the message is read."""


def assert_of_the_protocol(response: httpx.Response, body: bytes) -> None:
    """Hold that an answer is a result or an error of JSON-RPC, or nothing to a notification."""
    assert response.status_code < 500, response.text
    if response.status_code == 202:
        assert response.content == b""
        return
    answer = response.json()
    assert answer["jsonrpc"] == "2.0"
    assert answer.keys() - {"id"} in ({"jsonrpc", "result"}, {"jsonrpc", "error"})
    error = answer.get("error", {"code": 0, "message": "none"})
    assert isinstance(error["code"], int)
    assert error["message"]
    is_read = response.status_code not in NOT_READ and error["code"] != PARSE_ERROR
    assert answer.get("id") == (id_in(body) if is_read else None)


def id_in(body: bytes) -> object:
    """The id by which a message is answered, if it has one."""
    asked = json.loads(body)
    wanted = asked.get("id") if isinstance(asked, dict) else None
    return wanted if type(wanted) in (str, int) else None
