"""CORS for the listed origins; for any other, the answer says nothing about CORS at all."""

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
    "X-Request-ID",
)
EXPOSED_HEADERS = (
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
)


class CorsMiddleware:
    """Hands requests of listed origins to the framework's CORS layer, all others past it."""

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
        """What is allowed, whatever was asked for: it is the browser that compares the two."""
        told = super().preflight_response(request_headers)
        kept = [(name, value) for name, value in told.headers.items() if name not in CONTENT]
        return Response(status_code=204, headers=dict(kept))


CONTENT = {"content-length", "content-type"}
