"""Messages of JSON-RPC 2.0, as MCP restricts them.

There are no batches, `params` is an object, and an id is a string or an integer. An error has no id
where none could be read.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from pydantic_core import to_json

from taskapi.edge.problem import Problem

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
UNSUPPORTED_PROTOCOL_VERSION = -32022

CODES = {
    HTTPStatus.REQUEST_TIMEOUT: INVALID_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: INVALID_REQUEST,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: INVALID_REQUEST,
    HTTPStatus.INTERNAL_SERVER_ERROR: INTERNAL_ERROR,
}
"""By the status of a `Problem`. Any other status is the code itself: new codes are to lie outside
of what JSON-RPC reserves (MCP 2026-07-28, Error Codes)."""

Id = str | int

MAX_ID_CHARACTERS = 1024
"""It is held while a call waits, and sent back. Clients have numbers, or UUIDs."""

NO_PARAMS: dict[str, Any] = {}


class RpcError(Exception):
    """A mistake of the client's program in the protocol, which no model could correct.

    Args:
        code: of JSON-RPC or MCP.
        message: one sentence.
        status: of the response, in the revisions that have one for each error.
        data: more, for programs.
    """

    def __init__(
        self,
        code: int,
        message: str,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.data = data

    def json(self, message_id: Id | None) -> bytes:
        """The error response."""
        error = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return to_json(_error_response(message_id, error))


class RpcRequest(NamedTuple):
    """A request: a message that is answered."""

    id: Id
    method: str
    params: dict[str, Any]


def id_in(message: object) -> Id | None:
    """The id of a message, whatever else is wrong with it; None where there is none to read."""
    found = message.get("id") if isinstance(message, dict) else None
    return found if _is_id(found) else None


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_ID_CHARACTERS
    return isinstance(value, int) and not isinstance(value, bool)


def request_in(message: object) -> RpcRequest | None:
    """The request that a message is; None for a notification or a response, which has no answer.

    Raises:
        RpcError: it is no message, or a batch of several.
    """
    if isinstance(message, list):
        raise RpcError(INVALID_REQUEST, "Send one message at a time: batches are not served.")
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'A message is an object with "jsonrpc": "2.0".')
    method = message.get("method")
    if "method" not in message and ("result" in message or "error" in message):
        return None
    if not isinstance(method, str):
        raise RpcError(INVALID_REQUEST, "method should be a string.")
    if "id" not in message:
        return None
    if not _is_id(message["id"]):
        raise RpcError(
            INVALID_REQUEST,
            f"id should be an integer, or a string of at most {MAX_ID_CHARACTERS} characters.",
        )
    params = message.get("params", NO_PARAMS)
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "params should be an object.")
    return RpcRequest(message["id"], method, params)


def response_json(message_id: Id, members: bytes) -> bytes:
    """The response with the result of these members, JSON with commas between them."""
    return b'{"jsonrpc":"2.0","id":%b,"result":{%b}}' % (to_json(message_id), members)


def problem_body(message_id: Id | None, problem: Problem, request_id: str) -> dict[str, Any]:
    """An error that every route can have, as the error response to a message."""
    data: dict[str, Any] = {"code": problem.code, "request_id": request_id}
    if problem.errors:
        data["errors"] = problem.errors
    code = CODES.get(problem.status, int(problem.status))
    return _error_response(message_id, {"code": code, "message": problem.detail, "data": data})


def _error_response(message_id: Id | None, error: Mapping[str, Any]) -> dict[str, Any]:
    has_id = {} if message_id is None else {"id": message_id}
    return {"jsonrpc": "2.0", **has_id, "error": error}
