"""The key set (JWKS, RFC 7517) of the auth server: fetched, checked, kept, and asked again.

A new key appears in Better Auth's set at the instant it first signs, and two first sign-ins at once
make two keys. So an unknown key id leads to a prompt fetch, also a moment after another one; a
stranger who sends thousands of them gets a handful at once, and then one in a few seconds.
"""

import asyncio
import json
import math
import time
from collections.abc import Mapping
from typing import Any

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from taskapi.auth.keys import VerificationKey
from taskapi.auth.token import Token
from taskapi.errors import InvalidToken, KeysUnavailable
from taskapi.observability import metrics

log = structlog.get_logger("taskapi.auth")

FETCH_INTERVAL = 3.0
"""Seconds for each fetch on average, whatever is asked."""

SPARE_FETCHES = 3
"""How many more may come at once after a time without any."""

FRESH = 300.0
"""Seconds after which the set is fetched again while the kept one goes on serving."""

USABLE = 24 * 3600.0
"""Seconds for which a set serves when the auth server cannot be reached."""

FETCH_TIMEOUT = 5.0
FETCH_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}
LARGEST_SET = 256 * 1024
MOST_KEYS = 100
SMALLEST_RSA_KEY = 2048
"""Bits (NIST SP 800-131A)."""

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

ALGORITHMS = {
    ("OKP", "Ed25519"): ("EdDSA", "Ed25519"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-521"): ("ES512",),
    ("RSA", None): ("RS256", "PS256"),
}
"""By type and curve; the first one is meant where a key does not say its `alg`."""

KEY_TYPES: dict[str, type[OKPKey | ECKey | RSAKey]] = {"OKP": OKPKey, "EC": ECKey, "RSA": RSAKey}


class KeySet:
    """The keys of one auth server.

    Args:
        url: where it publishes them. Redirects are not followed: this address is the trust.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        # The environment's proxies and netrc are for people, not for trust.
        self._http = httpx.AsyncClient(timeout=FETCH_TIMEOUT, trust_env=False)
        self._keys: dict[str, VerificationKey] = {}
        self._fetched = -USABLE
        self._due = -math.inf
        self._fetching: asyncio.Task[None] | None = None

    async def verify(self, token: Token) -> None:
        """Check a token's signature with the key that it names.

        Raises:
            InvalidToken: no such key, or a signature that is wrong.
            KeysUnavailable: no set has been fetched for too long.
        """
        if token.key_id is None:
            raise InvalidToken("The token names no key (kid).", "key")
        key = await self._key(token.key_id)
        if key is None:
            raise InvalidToken("The token's key is not known to the auth server.", "key")
        key.verify(token)

    async def known(self) -> Mapping[str, VerificationKey]:
        """The keys by their ids, fetched if that was not done yet.

        Raises:
            KeysUnavailable: they cannot be had.
        """
        if not self._keys:
            await self._refreshed()
        return self._keys

    def refresh(self) -> asyncio.Task[None] | None:
        """Start a fetch, unless one is under way or too many were; the task of the fetch."""
        now = time.monotonic()
        if self._fetching is None and self._due <= now:
            self._due = max(self._due, now - SPARE_FETCHES * FETCH_INTERVAL) + FETCH_INTERVAL
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def close(self) -> None:
        """Give up a fetch that is under way, and leave the auth server."""
        if self._fetching is not None:
            self._fetching.cancel()
        await self._http.aclose()

    async def _key(self, key_id: str) -> VerificationKey | None:
        age = time.monotonic() - self._fetched
        key = self._keys.get(key_id) if age < USABLE else None
        if key is None:
            key = await self._newly_published(key_id)
        elif age > FRESH:
            self.refresh()  # and go on meanwhile with what is known
        return key

    async def _newly_published(self, key_id: str) -> VerificationKey | None:
        joined = self._fetching is not None
        await self._refreshed()
        if joined and key_id not in self._keys:
            # That fetch began before the token came, so it may have missed the token's key.
            await self._refreshed()
        return self._keys.get(key_id)

    async def _refreshed(self) -> None:
        fetching = self.refresh()
        if fetching is not None:
            # Shielded: it serves all who wait for it, also when one of them leaves.
            await asyncio.shield(fetching)
        if time.monotonic() - self._fetched >= USABLE:
            raise KeysUnavailable

    async def _fetch(self) -> None:
        try:
            self._keys = keys_of(await self._download())
            self._fetched = time.monotonic()
            metrics.KEY_SET_FETCHES.labels("ok").inc()
        except (httpx.HTTPError, TimeoutError, ValueError, RecursionError) as error:
            metrics.KEY_SET_FETCHES.labels("failed").inc()
            log.warning("key_set_not_fetched", url=self._url, reason=str(error) or repr(error))
        finally:
            self._fetching = None

    async def _download(self) -> Any:
        """The JSON at the address, if it comes from there itself and is of a reasonable size."""
        async with (
            asyncio.timeout(FETCH_TIMEOUT),
            self._http.stream("GET", self._url, headers=FETCH_HEADERS) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"the auth server answered {response.status_code}")
            text = bytearray()
            async for chunk in response.aiter_raw():
                text += chunk
                if len(text) > LARGEST_SET:
                    raise ValueError(f"the key set is larger than {LARGEST_SET} bytes")
        return json.loads(text)


def keys_of(document: Any) -> dict[str, VerificationKey]:
    """The acceptable keys of a JWK set by their ids; why others are not is logged.

    Raises:
        ValueError: it is no key set, or none of its keys is acceptable.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > MOST_KEYS:
        raise ValueError("not a JWK set of a reasonable size")
    keys: dict[str, VerificationKey] = {}
    ambiguous: set[str] = set()
    for entry in entries:
        try:
            key_id, key = _public_key(entry)
        except (JoseError, ValueError, TypeError) as error:
            log.warning("key_refused", reason=str(error))
            continue
        if key_id in keys:
            ambiguous.add(key_id)
        keys[key_id] = key
    for key_id in ambiguous:
        log.warning("key_refused", kid=key_id, reason="several keys have this id")
        del keys[key_id]
    if not keys:
        raise ValueError("no key of the set is acceptable")
    return keys


def _public_key(entry: Any) -> tuple[str, VerificationKey]:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
        raise ValueError("a key without an id (kid)")  # noqa: TRY004 - it is the document that is wrong
    if PRIVATE_MEMBERS & entry.keys():
        raise ValueError("a private or secret key in a public set")
    if entry.get("use", "sig") != "sig" or "verify" not in entry.get("key_ops", ["verify"]):
        raise ValueError("a key that is not for signatures")
    accepted = ALGORITHMS.get((entry.get("kty", ""), entry.get("crv")))
    if accepted is None or entry.get("alg", accepted[0]) not in accepted:
        raise ValueError("a key of a type or algorithm that is not accepted")
    key = KEY_TYPES[entry["kty"]].import_key(entry)
    if isinstance(key, RSAKey) and key.public_key.key_size < SMALLEST_RSA_KEY:
        raise ValueError(f"an RSA key of less than {SMALLEST_RSA_KEY} bits")
    return entry["kid"], VerificationKey(entry.get("alg", accepted[0]), key)
