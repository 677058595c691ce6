"""CORS: whose pages may call the API from a browser, and read its responses (the Fetch standard).

Responses for other origins have no CORS header, so that browsers keep them from the page.
docs/decisions/0030 says why this is not Starlette's middleware.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from taskapi.edge.fields import Fields
from taskapi.edge.problem import Problem, problem_response
from taskapi.origins import AllowedOrigins, check_origin

log = structlog.get_logger("taskapi")

METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"

EXPOSED_HEADERS = (
    "Accept-Patch",
    "Allow",
    "Content-Disposition",
    "Date",
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
"""Besides those that a page may read anyway (Fetch, 2.2.2), such as `Content-Type`."""

EXPOSED = (b"access-control-expose-headers", ", ".join(EXPOSED_HEADERS).encode())

MAX_AGE_SECONDS = 24 * 60 * 60
"""For how long a browser may remember a preflight: Firefox takes this, Chromium two hours of it.
An origin that is not allowed any more is kept out at once, because responses then lack the header.
"""

ASKED_HEADERS = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, \t-]*")
"""Names of headers, separated by commas (RFC 9110, 5.6.1)."""

VARY = (b"vary", b"Origin")
VARY_OF_PREFLIGHT = (
    b"vary",
    b"Origin, Access-Control-Request-Headers, Access-Control-Request-Private-Network",
)

Headers = Sequence[tuple[bytes, bytes]]

REFUSED = Problem(
    HTTPStatus.FORBIDDEN,
    "origin_not_allowed",
    "Pages of this origin may not call this API: the setting CORS_ORIGINS does not list it.",
)
"""No script can read this, but people see it in the browser's tools. It is no `ApiError`, because
it is the response of no operation."""

MAX_TOLD = 100
"""Origins that the log names. Anybody can invent more."""

MAX_TOLD_LENGTH = 300
"""Of an origin in the log: a scheme, a host of 253 characters and a port fit."""


class CorsMiddleware:
    """Responds to preflights, and lets pages of the allowed origins read every response.

    Args:
        app: the layers within.
        origins: that are allowed.
    """

    def __init__(self, app: ASGIApp, origins: AllowedOrigins) -> None:
        self._app = app
        self._origins = origins
        self._refused = RefusedOrigins(origins)
        # A cache must not hand a response without these headers to a page that needs them.
        self._common: Headers = (VARY,) if origins else ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fields = Fields.of(scope)
        origin = fields.only(b"origin")
        if origin is not None and _is_preflight(scope, fields):
            await self._preflight(origin, scope, fields)(scope, receive, send)
            return
        headers: list[tuple[bytes, bytes]] = scope["state"]["response_headers"]
        headers += self._common
        if origin is not None and self._origins.allow(origin):
            headers += (*_granted(origin), EXPOSED)
        await self._app(scope, receive, send)

    def _preflight(self, origin: bytes, scope: Scope, fields: Fields) -> Response:
        if self._origins.allow(origin):
            response = Response(status_code=HTTPStatus.NO_CONTENT)
            response.raw_headers += [*_granted(origin), *_all_that_is_asked(fields)]
        else:
            scope["state"]["refusal"] = "origin"
            self._refused.tell(origin)
            response = problem_response(REFUSED, scope)
        response.raw_headers.append(VARY_OF_PREFLIGHT)
        return response


class RefusedOrigins:
    """Tells the operator of an origin that was refused: once, as a browser asks again and again.

    Args:
        origins: that are allowed.
    """

    def __init__(self, origins: AllowedOrigins) -> None:
        self._origins = origins
        self._told: set[bytes] = set()

    def tell(self, origin: bytes) -> None:
        """Log that a preflight of this origin was refused, and what would allow it."""
        origin = origin[:MAX_TOLD_LENGTH]
        if origin in self._told or len(self._told) == MAX_TOLD:
            return
        self._told.add(origin)
        text = origin.decode("latin-1")
        log.warning("origin_refused", origin=text, remedy=self._remedy(text))
        if len(self._told) == MAX_TOLD:
            log.warning("origins_refused", remedy="No more of them are named until the next start.")

    def _remedy(self, origin: str) -> str:
        try:
            check_origin(origin)
        except ValueError as reason:
            return f"CORS_ORIGINS cannot list this origin: it {reason}"
        value = ",".join([*self._origins.listed, origin])
        # The setting replaces its default, so pages of this machine would be refused next.
        local = ", and add this machine's own that you use" if self._origins.local else ""
        return f"if you trust its pages, set CORS_ORIGINS={value}{local}"


def _is_preflight(scope: Scope, fields: Fields) -> bool:
    asked = scope["method"] == "OPTIONS"
    return asked and fields.only(b"access-control-request-method") is not None


def _granted(origin: bytes) -> Headers:
    return (
        (b"access-control-allow-origin", origin),
        # Wrappers of fetch ask for it. The service reads and sets no cookie.
        (b"access-control-allow-credentials", b"true"),
    )


def _all_that_is_asked(fields: Fields) -> Headers:
    """Any headers, because the origin is trusted, and nobody has a list of what tools add."""
    headers = [
        (b"access-control-allow-methods", METHODS),
        (b"access-control-max-age", b"%d" % MAX_AGE_SECONDS),
    ]
    asked = fields.only(b"access-control-request-headers")
    if asked and ASKED_HEADERS.fullmatch(asked):
        headers.append((b"access-control-allow-headers", asked))
    if fields.only(b"access-control-request-private-network") == b"true":
        headers.append((b"access-control-allow-private-network", b"true"))
    return headers
