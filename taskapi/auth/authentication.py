"""Authentication: from the `Authorization` header to the user whom its token proves (RFC 6750)."""

from starlette.types import Scope

from taskapi.auth.claims import User
from taskapi.auth.verifier import Verifier
from taskapi.edge.fields import Fields
from taskapi.errors import InvalidToken, NotAuthenticated
from taskapi.observability import metrics


async def authenticate(scope: Scope, verifier: Verifier, resource: str) -> User:
    """The user of a request's token. A refusal is counted by its reason.

    Args:
        scope: of the request.
        verifier: verifies the token.
        resource: the path of the protected resource that the request is for.

    Raises:
        NotAuthenticated: the request has no token.
        InvalidToken: its token proves nothing.
        KeysUnavailable: the auth server's keys are needed and cannot be fetched.
    """
    try:
        return await verifier.user_of(_bearer_token(scope), resource)
    except (NotAuthenticated, InvalidToken) as refusal:
        metrics.TOKEN_REFUSALS.labels(refusal.reason).inc()
        scope["state"]["refusal"] = refusal.reason  # for the log line
        raise


def _bearer_token(scope: Scope) -> bytes:
    """The token of the one `Authorization` header (RFC 6750, 2.1)."""
    values = Fields.of(scope).lines(b"authorization")
    if not values:
        raise NotAuthenticated
    if len(values) > 1:
        raise InvalidToken("Send one Authorization header, not several.")
    scheme, _, token = values[0].partition(b" ")
    if scheme.lower() != b"bearer":
        raise NotAuthenticated
    return bytes(token.strip(b" "))
