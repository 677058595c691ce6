"""A client of `/mcp` by hand, in both forms of the protocol: one message with each request."""

from dataclasses import dataclass
from typing import Any

import httpx

from support.people import Person

MODERN = "2026-07-28"
LEGACY = "2025-11-25"

META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass
class Agent:
    """A program that acts for a person.

    Attributes:
        http: a client of the service.
        token: sent with each request; None for none.
        legacy: whether it speaks the revisions that begin with `initialize`.
    """

    http: httpx.Client
    token: str | None
    legacy: bool = False

    @classmethod
    def of(cls, person: Person, *, legacy: bool = False) -> "Agent":
        """The agent of a person, with the person's own token."""
        return cls(person.http, person.token, legacy)

    def post(self, message: object = None, **options: Any) -> httpx.Response:
        """Send a message, or as `content` whatever bytes, with these headers and no others."""
        headers = {"Accept": "application/json, text/event-stream"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        headers |= options.pop("headers", {})
        if "content" in options:
            return self.http.post(
                "/mcp", headers={"Content-Type": "application/json"} | headers, **options
            )
        return self.http.post("/mcp", json=message, headers=headers, **options)

    def request(
        self, method: str, params: dict[str, Any] | None = None, **options: Any
    ) -> httpx.Response:
        """Send a request as the revision demands it."""
        params = params or {}
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        if self.legacy:
            headers = {"MCP-Protocol-Version": LEGACY}
        else:
            message["params"] = params | {"_meta": META}
            headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
            if "name" in params:
                headers["Mcp-Name"] = str(params["name"])
        return self.post(message, headers=headers | options.pop("headers", {}), **options)

    def result(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of a request that succeeds."""
        response = self.request(method, params)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert answer.keys() == {"jsonrpc", "id", "result"}, answer
        found: dict[str, Any] = answer["result"]
        return found

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The result of a tool."""
        return self.result("tools/call", {"name": tool, "arguments": arguments})

    def use(self, tool: str, **arguments: Any) -> Any:
        """What a tool returns that does something."""
        result = self.call(tool, **arguments)
        assert result["isError"] is False, result
        return result["structuredContent"]


def error_of(response: httpx.Response, status: int, code: int) -> dict[str, Any]:
    """Hold that this is an error of the protocol, with this status and code; the error."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    answer = response.json()
    assert answer["jsonrpc"] == "2.0"
    assert answer.keys() <= {"jsonrpc", "id", "error"}
    error: dict[str, Any] = answer["error"]
    assert error["code"] == code, response.text
    assert error["message"]
    return error
