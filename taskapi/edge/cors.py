"""CORS for the listed origins. Responses to any other origin have no CORS header."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = (
    "Authorization",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-Request-ID",
)
EXPOSED_HEADERS = (
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
)

CONTENT_HEADERS = ("content-length", "content-type")
"""Starlette's response to a preflight has content; a 204 has none."""


class CorsMiddleware:
    """Passes requests of listed origins through Starlette's CORS layer, all others around it."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = {origin.encode() for origin in origins}
        self._listed = _ListedOrigins(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            expose_headers=EXPOSED_HEADERS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            origins = [value for name, value in scope["headers"] if name == b"origin"]
            if len(origins) == 1 and origins[0] in self._origins:
                app = self._listed
        await app(scope, receive, send)


class _ListedOrigins(CORSMiddleware):
    def preflight_response(self, request_headers: Headers) -> Response:
        """All that is allowed, whatever the browser asked for, which compares the two itself."""
        headers = dict(super().preflight_response(request_headers).headers)
        for name in CONTENT_HEADERS:
            headers.pop(name, None)
        return Response(status_code=204, headers=headers)
