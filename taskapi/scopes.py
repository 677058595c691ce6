"""The scopes of OAuth access tokens (RFC 6749, 3.3): what a program may do for its user."""

READ = "tasks:read"

WRITE = "tasks:write"
"""Includes `READ`."""

SUPPORTED = (READ, WRITE)

ALL = frozenset(SUPPORTED)
"""What a session token grants: everything that the user may do."""


def granted(claim: object) -> frozenset[str]:
    """The scopes that the claim `scope` of a token grants; none, where it is no string.

    Others, such as `openid`, mean nothing here.
    """
    words = set(claim.split(" ")) if isinstance(claim, str) else set()
    return ALL if WRITE in words else ALL & words


def needed(scope: str) -> str:
    """All scopes that a client asks for to be granted this one, as the parameter `scope` has them.

    A client that asks for what a challenge says replaces what it had (RFC 6750, 3).
    """
    return " ".join(SUPPORTED[: SUPPORTED.index(scope) + 1])
