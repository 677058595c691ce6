"""Proofs: what verified tokens have proven, kept so that a client's next request need not prove it.

A proof holds for the same bytes at the same resource, while their key is still the one that has
verified them and their expiry has not passed. Both are asked with each request
(`verifier.Verifier`). That takes 2 microseconds; to parse and verify takes 19 with HS256, 95 with
ES256 and 131 with EdDSA, of some 200 for a request (docs/decisions/0050).
"""

from hashlib import sha256
from typing import NamedTuple

from taskapi.auth.claims import User
from taskapi.auth.keys import VerificationKey

MAX_PROOFS = 5_000
"""Of a process; they take 3 MB. With more, the oldest is forgotten, and its token verified anew."""


class Proof(NamedTuple):
    """What one token has proven.

    Attributes:
        algorithm: `alg` of its header.
        key_id: `kid` of its header.
        key: that has verified it.
        user: whose it is.
    """

    algorithm: str
    key_id: str | None
    key: VerificationKey
    user: User


class Proofs:
    """The proofs of a process, by digests of their tokens, so that no token is kept."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[tuple[bytes, str], Proof] = {}

    def of(self, compact: bytes, resource: str) -> Proof | None:
        """What this token has proven to this resource."""
        return self._kept.get((sha256(compact).digest(), resource))

    def keep(self, compact: bytes, resource: str, proof: Proof) -> None:
        """Keep what a token has proven; only a token that is valid may come here."""
        key = sha256(compact).digest(), resource
        self._kept.pop(key, None)  # of a token that is proven again, which is the newest then
        if len(self._kept) >= MAX_PROOFS:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = proof

    def __len__(self) -> int:
        """Proofs that are kept."""
        return len(self._kept)
