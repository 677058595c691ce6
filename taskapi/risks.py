"""Settings that work and are unwise: the start warns of them, and the doctor calls them bad."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from taskapi.config import Settings


class Risk(NamedTuple):
    """One of them: what it is about, what can happen, and what to set instead."""

    subject: str
    text: str
    remedy: str


def risks_of(settings: Settings) -> Iterator[Risk]:
    """The risks of a service that is in use. One with the embedded database is not."""
    if settings.embedded:
        return
    if settings.key_set_url is not None and _is_readable(settings.key_set_url):
        yield Risk(
            "way to the key set",
            "http, so whoever is on it can put keys of their own in, and sign for anybody",
            "set BETTER_AUTH_URL, or BETTER_AUTH_JWKS_URL, to a URL with https://",
        )
    if settings.issuer is None:
        yield Risk(
            "issuer",
            "any is accepted, so tokens of every server that has this key are",
            "set JWT_ISSUER to what the auth server writes into iss",
        )
    if settings.audience is None:
        yield Risk(
            "audience",
            "any is accepted, so tokens that were meant for other services are",
            "set JWT_AUDIENCE to what the auth server writes into aud",
        )


def _is_readable(url: str) -> bool:
    """Whether others can read, and change, what comes from there."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not _is_this_machine(parts.hostname or "")


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
