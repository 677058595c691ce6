"""What can go wrong, by name. `taskapi.edge.problem` turns each into a response."""

from http import HTTPStatus
from typing import ClassVar, Literal

from taskapi import scopes


class ApiError(Exception):
    """An error that a client gets as a response. Its subclasses are all there are."""

    status: ClassVar[HTTPStatus]
    code: ClassVar[str]
    detail: str = ""
    loc: ClassVar[tuple[str, ...]] = ()
    """Where in the request the mistake is, as FastAPI writes it; every 422 has one."""

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.detail
        super().__init__(self.detail)

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that belong to this error."""
        return {}


class MalformedRequest(ApiError):
    """Bytes that are not HTTP, or that two parsers could read differently (RFC 9112)."""

    status, code = HTTPStatus.BAD_REQUEST, "bad_request"
    detail = "This is not a well-formed HTTP request."


class RequestTimedOut(ApiError):
    """The head or the body of a request was not complete in time."""

    status, code = HTTPStatus.REQUEST_TIMEOUT, "request_timeout"
    detail = "The request did not arrive in time."

    @property
    def headers(self) -> dict[str, str]:
        # The rest of it may still come, so this connection cannot carry another request.
        return {"Connection": "close"}


class HeadTooLarge(ApiError):
    """The URL and the headers of a request exceed their limit."""

    status, code = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large"
    detail = "The request's URL and headers are too large."


Refusal = Literal[
    "missing",
    "malformed",
    "session",
    "algorithm",
    "key",
    "signature",
    "expired",
    "not_yet",
    "issuer",
    "audience",
    "user",
    "kind",
    "client",
    "binding",
]
"""Why a response is 401, as a label of the metrics. The client gets the code and a sentence."""


class Challenged(ApiError):
    """An error whose response says which token would do (RFC 6750, 3).

    Attributes:
        resource_metadata: the URL at which a client learns where it gets one (RFC 9728, 5.1);
            `AuthMiddleware` knows it. None where no OAuth access token is accepted.
    """

    resource_metadata: str | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """Of the challenge: what is wrong with the token."""
        return {}

    @property
    def scope(self) -> str:
        """The scopes that a client should ask for.

        All of them, where none is known to be missing: a program asks its user for what the first
        401 names. An agent would never ask for more, because tools are hidden from a token that
        does not allow them.
        """
        return " ".join(scopes.SUPPORTED)

    @property
    def headers(self) -> dict[str, str]:
        parameters = {"realm": "taskapi", **self.parameters}
        if self.resource_metadata is not None:
            parameters |= {"scope": self.scope, "resource_metadata": self.resource_metadata}
        challenge = ", ".join(f'{name}="{value}"' for name, value in parameters.items())
        return {"WWW-Authenticate": f"Bearer {challenge}"}


class NotAuthenticated(Challenged):
    """The request has no token (RFC 6750, 3.1: the challenge then has no error code)."""

    status, code = HTTPStatus.UNAUTHORIZED, "not_authenticated"
    detail = "Send a token: Authorization: Bearer <JWT>."
    reason: Refusal = "missing"


class InvalidToken(Challenged):
    """The token proves nothing. The detail is for people; no code depends on it."""

    status, code = HTTPStatus.UNAUTHORIZED, "invalid_token"
    detail = "The token is not valid."
    reason: Refusal = "malformed"

    def __init__(self, detail: str | None = None, reason: Refusal | None = None) -> None:
        super().__init__(detail)
        self.reason = reason or self.reason

    @property
    def parameters(self) -> dict[str, str]:
        description = self.detail.replace("\\", "").replace('"', "'")
        return {"error": "invalid_token", "error_description": description}


class TokenExpired(InvalidToken):
    """The token was valid once. The client should fetch a new one and repeat the request."""

    code = "token_expired"
    detail = "The token has expired; fetch a new one."
    reason = "expired"


class NotYourPath(ApiError):
    """The user in the path is not the user of the token, whether that user exists or not."""

    status, code = HTTPStatus.FORBIDDEN, "forbidden"
    detail = "The user in the path is not the user of the token."


class InsufficientScope(Challenged):
    """The token proves a user who has not granted this to the program that sends it.

    Args:
        missing: the scope that the operation needs.
    """

    status, code = HTTPStatus.FORBIDDEN, "insufficient_scope"
    detail = "The token lacks a scope that this needs."

    def __init__(self, missing: str) -> None:
        super().__init__(f"The token lacks the scope {missing}.")
        self._missing = missing

    @property
    def scope(self) -> str:
        return scopes.needed(self._missing)

    @property
    def parameters(self) -> dict[str, str]:
        return {"error": "insufficient_scope", "error_description": self.detail}


class TaskNotFound(ApiError):
    """No such task, or another user's: the client cannot tell which."""

    status, code = HTTPStatus.NOT_FOUND, "task_not_found"
    detail = "There is no such task."


class TaskDeleted(ApiError):
    """The task that an earlier request has written or created has been deleted since.

    A request with the same `Idempotency-Key`, or a create with the same `key`.
    """

    status, code = HTTPStatus.GONE, "task_deleted"
    detail = "The request took effect, and its task has been deleted since."


class UserNotFound(ApiError):
    """A valid token of a user who is not, or no longer, in the users table."""

    status, code = HTTPStatus.NOT_FOUND, "user_not_found"
    detail = "The user of this token does not exist here."


class VersionMismatch(ApiError):
    """The task has changed since the version that `If-Match` names (RFC 9110, 13.1.1).

    Args:
        tag: of the version that it has now.
        current: the JSON of the task as it is now.
    """

    status, code = HTTPStatus.PRECONDITION_FAILED, "version_mismatch"
    detail = "The task has changed meanwhile: see current."

    def __init__(self, tag: str, current: bytes) -> None:
        super().__init__()
        self.tag = tag
        self.current = current

    @property
    def headers(self) -> dict[str, str]:
        return {"ETag": self.tag}


class QuotaExceeded(ApiError):
    """The user has as many tasks as each may have (`MAX_TASKS_PER_USER`)."""

    status, code = HTTPStatus.FORBIDDEN, "quota_exceeded"
    detail = "You have as many tasks as you may have: delete some first."


class IdempotencyKeyReused(ApiError):
    """The `Idempotency-Key` belongs to another request of this user."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency_key_reused"
    loc = ("header", "Idempotency-Key")
    detail = "This Idempotency-Key was used for another request."


class ResyncRequired(ApiError):
    """The changes since this token cannot be told: too old, or of another life of the account."""

    status, code = HTTPStatus.GONE, "resync_required"
    detail = "The changes since this token are not known any more: read everything again."


class TooManyListeners(ApiError):
    """The user has as many event streams, or waiting requests, as each may have."""

    status, code = HTTPStatus.TOO_MANY_REQUESTS, "too_many_listeners"
    detail = "You have too many streams or waiting requests open; close one of them."

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "5"}


class TooManyTransfers(ApiError):
    """The user has as many exports or imports under way as each may have."""

    status, code = HTTPStatus.TOO_MANY_REQUESTS, "too_many_transfers"
    detail = "You have too many exports or imports under way; wait until one has ended."

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "5"}


class BodyTooLarge(ApiError):
    """The body exceeds its limit. The rest of it is not read."""

    status, code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large"
    detail = "The request body is too large."

    @property
    def headers(self) -> dict[str, str]:
        # The rest of the body is still being sent, so this connection cannot carry another request.
        return {"Connection": "close"}


class NotJson(ApiError):
    """The body's content type or encoding is not plain JSON in UTF-8."""

    status, code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"
    detail = "Send the body as JSON, with the header Content-Type: application/json."


Limit = Literal["rate", "queue_full", "timed_out", "refusals"]
"""Why a response is 429, as a label of the metrics."""


class TooManyRequests(ApiError):
    """A client has used up what it may use; others are served. The request had no effect.

    Header fields and problem types are those of draft-ietf-httpapi-ratelimit-headers-11.

    Args:
        policy: what clients of this kind may use, as an item of `RateLimit-Policy`.
        reason: for the metrics.
        left: of that, now.
        retry_after: seconds.
    """

    status = HTTPStatus.TOO_MANY_REQUESTS
    name: ClassVar[str]
    """Of the policy."""
    problem_type: ClassVar[str] = "quota-exceeded"
    title: ClassVar[str] = "Request cannot be satisfied as assigned quota has been exceeded"

    def __init__(self, policy: str, reason: Limit, left: int = 0, retry_after: int = 1) -> None:
        super().__init__()
        self.reason: Limit = reason
        self._policy = policy
        self._left = left
        self._retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Retry-After": str(self._retry_after),
            "RateLimit-Policy": f'"{self.name}";{self._policy}',
            "RateLimit": f'"{self.name}";r={self._left};t={self._retry_after}',
        }


class RateLimited(TooManyRequests):
    """The user has used up USER_RATE."""

    code, name = "rate_limited", "user"
    detail = "You have sent too many requests within 10 seconds; try again later."


class ConcurrencyLimited(TooManyRequests):
    """Too many requests of the user wait for a turn (USER_CONCURRENCY), or one waited too long."""

    code, name = "concurrency_limited", "concurrency"
    detail = "Too many of your requests are under way; try again later."

    def __init__(self, limit: int, reason: Limit) -> None:
        super().__init__(f'q={limit};qu="concurrent-requests"', reason)


class TooManyRefusals(TooManyRequests):
    """Too many requests from this address were refused with 401. The challenge still says why."""

    code, name = "too_many_refusals", "refusals"
    detail = "Too many requests from your address had no valid token; try again later."
    problem_type = "abnormal-usage-detected"
    title = "Request not satisfied due to detection of abnormal request pattern"

    def __init__(self, policy: str, retry_after: int, challenge: dict[str, str]) -> None:
        super().__init__(policy, "refusals", retry_after=retry_after)
        self._challenge = challenge

    @property
    def headers(self) -> dict[str, str]:
        return super().headers | self._challenge  # RFC 9110, 11.6.1: not only a 401 may have one


class Unavailable(ApiError):
    """The request was not served and may be repeated later. A subclass says why."""

    status, code = HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"
    detail = "The service is unavailable at the moment; try again."
    retry_after: ClassVar[int] = 1
    """Seconds."""

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class Draining(Unavailable):
    """The process is about to stop."""

    detail = "This process is about to stop."


class DatabaseUnavailable(Unavailable):
    """The database is unreachable, refuses connections or is too slow."""

    code = "database_unavailable"
    detail = "The database is unavailable at the moment; try again."


class KeysUnavailable(Unavailable):
    """The auth server's keys were never fetched, or too long ago, so no token can be verified."""

    code = "keys_unavailable"
    detail = "The auth server's keys are unavailable at the moment; try again."


class SchemaOutdated(DatabaseUnavailable):
    """The database has an older schema than this code needs, or none."""

    code = "schema_outdated"
    detail = "The database's schema is not current: run 'taskapi migrate'."


class Overloaded(Unavailable):
    """More requests wait for the database than can be served in time."""

    code = "overloaded"
    detail = "The service is overloaded; try again."


class TimedOut(Unavailable):
    """The request was not complete at its deadline."""

    code = "timed_out"
    detail = "The request took too long and was cancelled; try again."
