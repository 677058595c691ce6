"""The key set (JWKS, RFC 7517) of the auth server: fetched, checked, kept and fetched again.

Better Auth publishes a new key at the instant it first signs with it, and two first sign-ins at
once make two keys. So an unknown key id causes a fetch at once, even right after another fetch. The
rate of fetches is limited, because a stranger can send any number of unknown key ids: a few at
once, then one in three seconds. Who comes while the rate allows none waits for the next one, which
serves all who wait: so nobody is told that a key does not exist by a set that is older than the
question, and strangers cannot use up the fetch that a new key needs (docs/decisions/0024).
"""

import asyncio
import math
import time
from collections.abc import Mapping
from typing import Any

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from taskapi.auth.keys import VerificationKey
from taskapi.errors import InvalidToken, KeysUnavailable
from taskapi.observability import metrics
from taskapi.strict_json import decode

log = structlog.get_logger("taskapi.auth")

FETCH_INTERVAL = 3.0
"""Seconds between two fetches, on average at least."""

FETCH_BURST = 3
"""Fetches that may follow at once after a time without any."""

REFRESH_AGE = 300.0
"""Seconds after which a set is fetched again in the background. It is used meanwhile."""

FRESH_AGE = 900.0
"""Seconds after which a set is fetched again before it is used: as long as Better Auth's tokens
live, so a key that was withdrawn in a quiet night verifies no request of the morning."""

FAILURE_AGE = 30.0
"""Seconds after a failed fetch for which nobody waits for another one who has a key: while the auth
server is down, requests must not each wait for it."""

MAX_AGE = 24 * 3600.0
"""Seconds for which a set is used while the auth server is unreachable."""

MAX_WAITING = 1000
"""Requests that may wait for an unknown key. Each holds about 20 kB and no connection to the
database."""

FETCH_TIMEOUT = 5.0
"""Seconds."""

FETCH_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}
MAX_KEY_SET_BYTES = 256 * 1024
MAX_KEYS = 100
MIN_RSA_KEY_BITS = 2048
"""NIST SP 800-131A."""

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

ALGORITHMS = {
    ("OKP", "Ed25519"): ("EdDSA", "Ed25519"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-521"): ("ES512",),
    ("RSA", None): ("RS256", "PS256"),
}
"""By type and curve. The first one is that of a key without `alg`."""

KEY_TYPES: dict[str, type[OKPKey | ECKey | RSAKey]] = {"OKP": OKPKey, "EC": ECKey, "RSA": RSAKey}


class KeySet:
    """The keys of one auth server.

    Args:
        url: where it publishes them. Redirects are not followed, because only this URL is trusted.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        # Without the environment's proxies and netrc, for the same reason.
        self._http = httpx.AsyncClient(timeout=FETCH_TIMEOUT, trust_env=False)
        self._keys: dict[str, VerificationKey] = {}
        self._next_fetch = -math.inf
        self._fetching: asyncio.Task[None] | None = None
        self._waiting = 0
        # When the last fetch that succeeded began, and when the last that failed ended.
        self._fetched_at = -math.inf
        self._failed_at = -math.inf

    async def key(self, key_id: str | None) -> VerificationKey:
        """The key that a token names: the same object until another fetch has succeeded.

        Args:
            key_id: `kid` of the token's header.

        Raises:
            InvalidToken: the token names none, or the auth server, asked since this call, has no
                such key.
            KeysUnavailable: it could not be asked about this key, or not at all for `MAX_AGE`.
        """
        if key_id is None:
            raise InvalidToken("The token names no key (kid).", "key")
        key = await self._find(key_id)
        if key is None:
            raise InvalidToken("The token's key is not known to the auth server.", "key")
        return key

    async def known(self) -> Mapping[str, VerificationKey]:
        """The keys by their ids, fetched first if they never were.

        Raises:
            KeysUnavailable: the fetch has failed.
        """
        if self._fetched_at == -math.inf:
            await asyncio.shield(self.refresh())
        self._check_age()
        return self._keys

    def refresh(self) -> asyncio.Task[None]:
        """The fetch under way or, if there is none, a new one, begun when the rate allows it."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def close(self) -> None:
        """Cancel a fetch that is under way, and close the connections to the auth server."""
        if self._fetching is not None:
            self._fetching.cancel()
        await self._http.aclose()

    async def _find(self, key_id: str) -> VerificationKey | None:
        came = time.monotonic()
        if key_id in self._keys and came - self._fetched_at > REFRESH_AGE:
            fetching = self.refresh()
            if came - max(self._fetched_at + FRESH_AGE, self._failed_at + FAILURE_AGE) > 0:
                # Shielded, because other requests may await it when this one is cancelled.
                await asyncio.shield(fetching)
        if key_id not in self._keys:
            await self._wait_for(key_id, came)
        self._check_age()
        return self._keys.get(key_id)

    async def _wait_for(self, key_id: str, came: float) -> None:
        """Wait until there is this key, or a fetch that began after this moment has succeeded.

        Raises:
            KeysUnavailable: a fetch has failed meanwhile, or too many requests wait.
        """
        if self._waiting >= MAX_WAITING:
            raise KeysUnavailable
        self._waiting += 1
        try:
            # Twice at most: a fetch that began before this request may have missed a new key.
            while key_id not in self._keys and self._fetched_at < came:
                await asyncio.shield(self.refresh())
                if self._failed_at >= came:
                    raise KeysUnavailable
        finally:
            self._waiting -= 1

    def _check_age(self) -> None:
        if time.monotonic() - self._fetched_at >= MAX_AGE:
            raise KeysUnavailable

    async def _fetch(self) -> None:
        try:
            began = await self._await_turn()
            self._keys = keys_of(await self._download())
            self._fetched_at = began
            metrics.KEY_SET_FETCHES.labels("ok").inc()
        except (httpx.HTTPError, TimeoutError, ValueError, RecursionError) as error:
            self._failed_at = time.monotonic()
            metrics.KEY_SET_FETCHES.labels("failed").inc()
            log.warning("key_set_not_fetched", url=self._url, reason=str(error) or repr(error))
        finally:
            self._fetching = None

    async def _await_turn(self) -> float:
        """Wait until the rate allows a fetch. Returns when that is."""
        await asyncio.sleep(max(self._next_fetch - time.monotonic(), 0))
        now = time.monotonic()
        earliest = now - FETCH_BURST * FETCH_INTERVAL
        self._next_fetch = max(self._next_fetch, earliest) + FETCH_INTERVAL
        return now

    async def _download(self) -> Any:
        """The JSON at the URL.

        Raises:
            ValueError: the response has another status than 200 (a redirect, for one), is too
                large, or is not JSON.
        """
        async with (
            asyncio.timeout(FETCH_TIMEOUT),
            self._http.stream("GET", self._url, headers=FETCH_HEADERS) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"the auth server responded with {response.status_code}")
            text = bytearray()
            async for chunk in response.aiter_raw():
                text += chunk
                if len(text) > MAX_KEY_SET_BYTES:
                    raise ValueError(f"the key set has more than {MAX_KEY_SET_BYTES} bytes")
        return decode(bytes(text))


def keys_of(document: Any) -> dict[str, VerificationKey]:
    """The acceptable keys of a JWK set, by their ids. For each other key, the reason is logged.

    None may be acceptable: then all keys that there were before are withdrawn, and RFC 7517, 5,
    has a reader ignore the keys that it does not understand.

    Raises:
        ValueError: this is not a key set: JSON of another form, as a page of errors may have it.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise ValueError(f"not a JWK set of at most {MAX_KEYS} keys")
    if not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("not a JWK set: its keys are not all JSON objects")
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
    return keys


def _public_key(entry: dict[str, Any]) -> tuple[str, VerificationKey]:
    if not isinstance(entry.get("kid"), str):
        raise ValueError("it has no id (kid)")  # noqa: TRY004 - the document is wrong, not the call
    if PRIVATE_MEMBERS & entry.keys():
        raise ValueError("it is a private or secret key, which no set may publish")
    if entry.get("use", "sig") != "sig" or "verify" not in entry.get("key_ops", ["verify"]):
        raise ValueError("it is not for signatures")
    accepted = ALGORITHMS.get((entry.get("kty", ""), entry.get("crv")))
    if accepted is None or entry.get("alg", accepted[0]) not in accepted:
        raise ValueError("its type or algorithm is not accepted")
    key = KEY_TYPES[entry["kty"]].import_key(entry)
    if isinstance(key, RSAKey) and key.public_key.key_size < MIN_RSA_KEY_BITS:
        raise ValueError(f"it is an RSA key of less than {MIN_RSA_KEY_BITS} bits")
    return entry["kid"], VerificationKey(entry.get("alg", accepted[0]), key)
