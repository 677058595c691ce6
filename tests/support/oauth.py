"""OAuth access tokens, as the auth server's OAuth provider issues them to programs."""

import time

from support.forgery import forge

PUBLIC_URL = "https://api.example.com"
ISSUER = "https://auth.example.com/api/auth"

ACCEPTED = {"public_url": PUBLIC_URL, "oauth_issuer": ISSUER}
"""Settings with which a service accepts them."""


def access_claims(user_id: str, scope: object, /, **changed: object) -> dict[str, object]:
    """The claims of a right access token for the API and for `/mcp`."""
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": [PUBLIC_URL, f"{PUBLIC_URL}/mcp", "https://auth.example.com/api/auth/userinfo"],
        "sub": user_id,
        "client_id": "assistant",
        "azp": "assistant",
        "scope": scope,
        "sid": "a session",
        "jti": "an id",
        "iat": now,
        "exp": now + 3600,
    } | changed


def access_token(user_id: str, scope: object, /, **changed: object) -> str:
    """A token with these claims, as a program sends it."""
    return forge({"alg": "HS256", "typ": "at+jwt"}, access_claims(user_id, scope, **changed))
