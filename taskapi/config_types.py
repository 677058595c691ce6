"""The types of the settings: what a value must be, and what is said where it is not.

The text of a `ValueError` follows the name of the setting. It never contains the value, because
some values are secret.
"""

import os
import re
from base64 import b64decode
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from taskapi.libpq.target import Target
from taskapi.origins import check_listed, check_origin

MIN_SECRET_BYTES = 32
"""RFC 7518, 3.2: a key for HS256 is at least as long as the output of its hash."""

TABLE_NAME = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]{0,62}\.)?[A-Za-z_][A-Za-z0-9_]{0,62}")
"""A name of SQL, or two with a dot: PostgreSQL truncates longer ones."""


PUBLIC_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~!$&'()*+,;=:@-]+)*")
"""Segments of a path (RFC 3986, 3.3) without those that clients remove. Nothing is encoded, because
each path then has one spelling."""


def origin(url: str) -> str:
    """The origin of a URL as browsers write it (RFC 6454), and Better Auth its issuer."""
    parts = urlsplit(url)
    default_port = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(default_port)}"


def _split_url(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port  # urlsplit checks the port when it is read
    except ValueError:
        # Not Python's sentence: it contains a part of the URL, which may be of a password.
        raise ValueError("is not a valid URL") from None
    return parts


def _check_postgres_url(value: SecretStr) -> SecretStr:
    Target.of(value.get_secret_value(), os.environ)
    return value


def _check_secret(value: SecretStr) -> SecretStr:
    key = value.get_secret_value().encode()
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(
            f"has {len(key)} bytes and needs at least {MIN_SECRET_BYTES}: "
            "make one with openssl rand -base64 32"
        )
    if _is_public_key(key):
        raise ValueError(
            "is a public key, with which anybody could sign: set BETTER_AUTH_URL or "
            "BETTER_AUTH_JWKS_URL, from where public keys are fetched"
        )
    return value


def _is_public_key(secret: bytes) -> bool:
    """Whether it parses as a public key, which everybody may know (key confusion)."""
    if secret.lstrip().startswith((b"-----BEGIN", b"{")):
        return True
    try:
        der = b64decode(b"".join(secret.split()), validate=True)  # what is between PEM's two lines
    except ValueError:
        der = secret
    for load, key in (
        (serialization.load_ssh_public_key, secret),
        (serialization.load_der_public_key, der),
    ):
        try:
            load(key)
        except (ValueError, UnsupportedAlgorithm):
            continue
        return True
    return False


def _check_http_url(value: str) -> str:
    parts = _split_url(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must start with http:// or https:// and name a host")
    if parts.username or parts.password:
        raise ValueError("must not contain a user or a password")
    return value.rstrip("/")


def _check_issuer(value: str) -> str:
    _check_http_url(value)
    if {"?", "#"} & set(value):
        raise ValueError("must not contain a query or a fragment")
    return value  # as it is: issuers are compared character for character (RFC 8414, 2)


def _check_public_url(value: str) -> str:
    url = _check_http_url(value)
    if {"?", "#"} & set(value):
        raise ValueError("must not contain a query or a fragment")
    path = urlsplit(url).path
    if not PUBLIC_PATH.fullmatch(path):
        raise ValueError("must have a path such as /tasks, with nothing empty or encoded in it")
    try:
        check_origin(origin(url))
    except ValueError as reason:
        raise ValueError(f"must be a URL such as https://example.com/tasks: it {reason}") from None
    return origin(url) + path


def _check_origins(value: tuple[str, ...]) -> tuple[str, ...]:
    for number, item in enumerate(value, start=1):
        if item == "*":
            raise ValueError("must list origins: * would let every site call the API")
        try:
            check_listed(item)
        except ValueError as reason:
            raise ValueError(
                f"must list origins such as https://app.example.com: number {number} {reason}"
            ) from None
    return value


def _split_list(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _check_networks(value: tuple[object, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        networks = tuple(ip_network(str(item)) for item in value)
    except ValueError:
        raise ValueError(
            "must list IP addresses, and networks such as 10.0.0.0/8, separated by commas"
        ) from None
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError("must not trust every address: clients could forge theirs")
    return networks


def _check_table_name(value: str) -> str:
    if not TABLE_NAME.fullmatch(value):
        raise ValueError(
            "must be a table name of letters, digits and _, or a schema and a table with a dot "
            "between them"
        )
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


PostgresUrl = Annotated[SecretStr, AfterValidator(_check_postgres_url)]
Secret = Annotated[SecretStr, AfterValidator(_check_secret)]
HttpUrl = Annotated[str, AfterValidator(_check_http_url)]
Issuer = Annotated[str, AfterValidator(_check_issuer)]
PublicUrl = Annotated[str, AfterValidator(_check_public_url)]
Origins = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split_list), AfterValidator(_check_origins)
]
Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...],
    NoDecode,
    BeforeValidator(_check_networks),
    BeforeValidator(_split_list),
]
TableName = Annotated[str, AfterValidator(_check_table_name)]
Seconds = Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)]
LogFormat = Literal["auto", "console", "json"]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
