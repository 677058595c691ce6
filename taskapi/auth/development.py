"""Tokens for development, signed with the shared secret."""

import time

from joserfc import jwt
from joserfc.jwk import OctKey

from taskapi.auth.claims import ClaimsPolicy
from taskapi.auth.keys import SECRET_ALGORITHM


def mint(secret: str, user_id: str, claims: ClaimsPolicy, seconds: int) -> str:
    """A token for this user, acceptable to a service with this secret and these claims.

    Args:
        secret: the text whose UTF-8 bytes sign.
        user_id: becomes `sub`.
        claims: what the service will check.
        seconds: from now to its expiry.
    """
    now = int(time.time())
    payload: dict[str, object] = {"sub": user_id, "iat": now, "exp": now + seconds}
    if claims.issuer is not None:
        payload["iss"] = claims.issuer
    if claims.audience is not None:
        payload["aud"] = claims.audience
    return jwt.encode({"alg": SECRET_ALGORITHM, "typ": "JWT"}, payload, OctKey.import_key(secret))
