"""Tokens for development, signed with a secret."""

import time

from joserfc import jwt
from joserfc.jwk import OctKey

from taskapi.auth.claims import ClaimsPolicy
from taskapi.auth.keys import SECRET_ALGORITHM


def mint(secret: str, user_id: str, policy: ClaimsPolicy, lifetime: int) -> str:
    """A token of this user that a service with this secret and this policy accepts.

    Args:
        secret: the text whose UTF-8 bytes are the key.
        user_id: becomes `sub`.
        policy: gives `iss` and `aud`.
        lifetime: seconds from now to its expiry.
    """
    now = int(time.time())
    payload: dict[str, object] = {"sub": user_id, "iat": now, "exp": now + lifetime}
    if policy.issuer is not None:
        payload["iss"] = policy.issuer
    if policy.audience is not None:
        payload["aud"] = policy.audience
    return jwt.encode({"alg": SECRET_ALGORITHM, "typ": "JWT"}, payload, OctKey.import_key(secret))
