"""The layer in front of the routes: who sends this request, and may they reach its path?

FastAPI reads a body before it resolves dependencies, so a check among those would read megabytes
from strangers and answer 422 before 401. This is an ASGI layer instead: it has the headers and the
path, and nothing behind it runs for a 401, or for a path that is not the user's. Only a route knows
which scope it needs, and refuses a token without it before it reads the body.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from taskapi.auth.authentication import authenticate
from taskapi.auth.authorization import resource_of, served
from taskapi.auth.metadata import metadata_url
from taskapi.auth.refusals import RefusalLimit
from taskapi.auth.verifier import Verifier
from taskapi.config import Settings
from taskapi.errors import Challenged, InvalidToken, NotAuthenticated


class AuthMiddleware:
    """Authenticates each request to a protected resource, then applies that resource's rule.

    Args:
        app: the layers and routes behind it.
        verifier: verifies the tokens.
        settings: say where clients find the metadata.
    """

    def __init__(self, app: ASGIApp, verifier: Verifier, settings: Settings) -> None:
        self._app = app
        self._verifier = verifier
        self._settings = settings
        self._resources = served(settings)
        self._refusals = RefusalLimit()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        resource = resource_of(scope["path"], self._resources)
        if resource is None:
            await self._app(scope, receive, send)
            return
        try:
            # Stored before the rule is applied, because the log names whoever is refused.
            user = await authenticate(scope, self._verifier, resource.path)
            scope["state"]["user"] = user
            resource.rule(user, scope["path"])
            await self._app(scope, receive, send)
        except Challenged as refusal:  # of this layer, or of a route whose scope is missing
            refusal.resource_metadata = metadata_url(self._settings, resource)
            if isinstance(refusal, NotAuthenticated | InvalidToken):
                self._refusals.count(scope, refusal)
            raise
