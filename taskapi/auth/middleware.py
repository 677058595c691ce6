"""The layer in front of the routes: who sends this request, and may they reach its path?

FastAPI reads a body before it resolves dependencies, so a check among those would read megabytes
from strangers and answer 422 before 401. This is an ASGI layer instead: it has the headers and the
path, and nothing behind it runs for a 401 or 403.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from taskapi.auth.authentication import authenticate
from taskapi.auth.authorization import rule_for
from taskapi.auth.refusals import RefusalLimit
from taskapi.auth.verifier import Verifier
from taskapi.errors import InvalidToken, NotAuthenticated


class AuthMiddleware:
    """Authenticates each request under a protected prefix, then applies that prefix's rule.

    Args:
        app: the layers and routes behind it.
        verifier: verifies the tokens.
    """

    def __init__(self, app: ASGIApp, verifier: Verifier) -> None:
        self._app = app
        self._verifier = verifier
        self._refusals = RefusalLimit()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        rule = rule_for(scope["path"]) if scope["type"] == "http" else None
        if rule is not None:
            # Stored before the rule is applied, because the log names whoever is refused.
            try:
                scope["state"]["user"] = user = await authenticate(scope, self._verifier)
            except (NotAuthenticated, InvalidToken) as refusal:
                self._refusals.count(scope, refusal)
                raise
            rule(user, scope["path"])
        await self._app(scope, receive, send)
