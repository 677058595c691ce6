"""Settings, from environment variables or `.env`, each checked once at start."""

import re
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import SplitResult, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LOCAL_DIRECTORY = Path(".taskapi")
"""Where a service without `DATABASE_URL` keeps its database and its secret."""

UserIdType = Literal["integer", "text"]

LARGEST_ID = 2**63 - 1
"""What a BIGINT holds: the largest id of a task, and of a user where ids are integers."""

MINIMUM_SECRET_BYTES = 32
"""RFC 7518, 3.2: a key of at least the size of the hash output."""


class SettingsError(Exception):
    """Settings that cannot work; each line of the message names one mistake."""


def _split_address(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port  # urlsplit checks the port when it is read
    except ValueError:
        # Python's own sentence would repeat a part of the address, which may be of a password.
        raise ValueError("is no address that can be read") from None
    return parts


def _database_url(value: SecretStr) -> SecretStr:
    parts = _split_address(value.get_secret_value())
    if parts.scheme.split("+")[0] not in {"postgres", "postgresql"}:
        raise ValueError("must start with postgresql://")
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        # A password that ends the host's part early would be shown as a part of the address.
        raise ValueError("needs the special characters of its password encoded: / as %2F")
    if not parts.hostname and "host=" not in parts.query:
        raise ValueError("names no host: postgresql://user:password@host/database")
    return value


def _is_public_key(secret: bytes) -> bool:
    """A secret that parses as a public key would let anyone sign (key confusion)."""
    if secret.lstrip().startswith((b"-----BEGIN", b"{")):
        return True
    try:
        der = b64decode(b"".join(secret.split()), validate=True)  # what stands between PEM's lines
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


def _secret(value: SecretStr) -> SecretStr:
    key = value.get_secret_value().encode()
    if len(key) < MINIMUM_SECRET_BYTES:
        raise ValueError(
            f"has {len(key)} bytes and needs {MINIMUM_SECRET_BYTES}: openssl rand -base64 32"
        )
    if _is_public_key(key):
        raise ValueError("is a public key, which is no secret; its place is BETTER_AUTH_JWKS_URL")
    return value


def _http_url(value: str) -> str:
    parts = _split_address(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http:// or https:// address")
    if parts.username or parts.password:
        raise ValueError("must not contain credentials")
    return value.rstrip("/")


def origin(url: str) -> str:
    """The origin of an address as browsers write it (RFC 6454), and Better Auth its issuer."""
    parts = urlsplit(url)
    usual_port = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(usual_port)}"


def _origins(value: tuple[str, ...]) -> tuple[str, ...]:
    for item in value:
        if item == "*":
            raise ValueError("must list exact origins; * would let every site call the API")
        if item != origin(_http_url(item)):
            raise ValueError("must list origins such as https://app.example.com, without a path")
    return value


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def _identifier(value: str) -> str:
    if not IDENTIFIER.fullmatch(value):
        raise ValueError("must be one table name: letters, digits and _")
    return value


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Seconds = Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)]


class DatabaseSettings(BaseSettings):
    """What is needed to reach the database and to bring its schema up to date."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: Annotated[SecretStr, AfterValidator(_database_url)] | None = None
    database_connect_timeout: Seconds = 5.0
    user_id_type: UserIdType = "integer"
    users_table: Annotated[str, AfterValidator(_identifier)] = "users"

    @property
    def embedded(self) -> bool:
        """Whether the service runs a PostgreSQL of its own."""
        return self.database_url is None


class Settings(DatabaseSettings):
    """Everything the service can be told. `.env.example` explains each name."""

    better_auth_secret: Annotated[SecretStr, AfterValidator(_secret)] | None = None
    better_auth_url: HttpUrl | None = None
    better_auth_jwks_url: HttpUrl | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    create_unknown_users: bool | None = None

    api_host: str | None = None
    api_port: Annotated[int, Field(ge=0, le=65535)] = 8000  # 0: any that is free
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    cors_origins: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_origins)
    ] = ("http://localhost:3000",)

    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 20
    request_timeout: Seconds = 10.0
    keep_alive_timeout: Annotated[int, Field(ge=1, le=3600)] = 75
    max_body_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 128 * 1024

    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    ] = "info"
    docs_enabled: bool = True

    @model_validator(mode="after")
    def _somebody_can_sign_in(self) -> Self:
        if not self.embedded and not self.better_auth_secret and not self.key_set_url:
            raise ValueError(
                "DATABASE_URL is set, so one of BETTER_AUTH_URL, BETTER_AUTH_JWKS_URL and "
                "BETTER_AUTH_SECRET must say whose tokens to trust"
            )
        return self

    @model_validator(mode="after")
    def _every_worker_has_a_connection(self) -> Self:
        if self.database_pool_size < self.workers:
            raise ValueError("DATABASE_POOL_SIZE must be at least WORKERS: they share it")
        return self

    @property
    def host(self) -> str:
        """The address to listen on: loopback only, unless a real database is named."""
        return self.api_host or ("127.0.0.1" if self.embedded else "0.0.0.0")  # noqa: S104 - a deployed service is reached from outside

    @property
    def pool_size(self) -> int:
        """Connections of one worker; the process group shares `DATABASE_POOL_SIZE`."""
        return self.database_pool_size // self.workers

    @property
    def creates_unknown_users(self) -> bool:
        """Whether a valid token is enough to become a user."""
        return self.embedded if self.create_unknown_users is None else self.create_unknown_users

    @property
    def key_set_url(self) -> str | None:
        """Where the auth server publishes its keys."""
        if self.better_auth_jwks_url:
            return self.better_auth_jwks_url
        return f"{self.better_auth_url}/api/auth/jwks" if self.better_auth_url else None

    @property
    def issuer(self) -> str | None:
        """Better Auth signs with the origin of its base URL as issuer."""
        return self.jwt_issuer or (origin(self.better_auth_url) if self.better_auth_url else None)

    @property
    def audience(self) -> str | None:
        """Better Auth's default audience is its issuer."""
        return self.jwt_audience or (origin(self.better_auth_url) if self.better_auth_url else None)


SomeSettings = TypeVar("SomeSettings", bound=DatabaseSettings)


def load(kind: type[SomeSettings]) -> SomeSettings:
    """Read settings from the environment and `.env`.

    Raises:
        SettingsError: with one line for each mistake; values are not repeated, as some are secret.
    """
    try:
        return kind()
    except ValidationError as error:
        raise SettingsError("\n".join(_line(mistake) for mistake in error.errors())) from None


def _line(mistake: Any) -> str:
    name = ".".join(str(part) for part in mistake["loc"]).upper()
    message = mistake["msg"].removeprefix("Value error, ")
    return f"  {name} {message}" if name else f"  {message}"
