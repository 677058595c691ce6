"""The guard in front of the routes: who is asking is settled before anything else is read.

FastAPI reads a body before it resolves dependencies, so a check among those would read a
stranger's megabytes and answer 422 before 401. The guard is an ASGI layer: it sees the headers and
the path, and nothing behind it runs for a 401 or 403.
"""

from typing import Annotated

from fastapi import Depends, Path, Request
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from taskapi.auth.claims import User
from taskapi.auth.verifier import Verifier
from taskapi.errors import InvalidToken, NotAuthenticated, NotYourPath
from taskapi.observability import metrics

GUARDED = "/api/"


class Guard:
    """Lets a request under `/api/` pass when its token is valid and its path is the token's user's.

    Args:
        app: what is guarded.
        verifier: knows the keys and what a token must say.
    """

    def __init__(self, app: ASGIApp, verifier: Verifier) -> None:
        self._app = app
        self._verifier = verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(GUARDED):
            # Before the path is looked at: the log says who was refused.
            scope["state"]["user"] = user = await self._user_of(scope)
            if scope["path"][len(GUARDED) :].partition("/")[0] != user.subject:
                raise NotYourPath
        await self._app(scope, receive, send)

    async def _user_of(self, scope: Scope) -> User:
        try:
            return await self._verifier.user_of(_bearer_token(scope))
        except (NotAuthenticated, InvalidToken) as refusal:
            metrics.TOKEN_REFUSALS.labels(refusal.reason).inc()
            raise


def _bearer_token(scope: Scope) -> bytes:
    """The token of the one `Authorization` header (RFC 6750, 2.1)."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values:
        raise NotAuthenticated
    if len(values) > 1:
        raise InvalidToken("Send one Authorization header, not several.")
    scheme, _, token = values[0].partition(b" ")
    if scheme.lower() != b"bearer":
        raise NotAuthenticated
    return bytes(token.strip(b" "))


bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="A token of Better Auth: `authClient.token()` in the browser, or `taskapi token`.",
)


async def current_user(
    request: Request,
    _documented: Annotated[object, Depends(bearer)],
    user_id: Annotated[str, Path(description="The user of the token, and nobody else.")],
) -> User:
    """The user whom the guard admitted. Routes name this; the parameters document it."""
    user: User = request.scope["state"]["user"]
    return user
