"""The settings: from environment variables or `.env`, each checked once at start."""

from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from taskapi.config_types import (
    HttpUrl,
    Issuer,
    LogFormat,
    LogLevel,
    Networks,
    Origins,
    PostgresUrl,
    PublicUrl,
    Seconds,
    Secret,
    TableName,
    origin,
)
from taskapi.origins import AllowedOrigins

LOCAL_DIRECTORY = Path(".taskapi")
"""Where a service without `DATABASE_URL` keeps its database and its secret."""

UserIdType = Literal["integer", "text", "uuid"]

MAX_ID = 2**63 - 1
"""The largest BIGINT: of a task's id, and of a user's where `USER_ID_TYPE` is integer."""


class SettingsError(Exception):
    """The service cannot work with these settings. Each line of the message is one mistake."""


class DatabaseSettings(BaseSettings):
    """What it takes to reach the database and to migrate its schema."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: PostgresUrl | None = None
    """The PostgreSQL to use. None: the embedded server, for development."""

    database_connect_timeout: Seconds = 5.0
    """How long a request waits for a connection, a new one or one of the pool."""

    user_id_type: UserIdType = "integer"
    """The type of user ids, in `sub` of a token and in the database."""

    users_table: TableName = "users"
    """The auth server's table of users, which `tasks.user_id` refers to."""

    create_unknown_users: bool | None = None
    """Whether the first task of a user who is not in the users table inserts them there. None:
    only with the embedded database."""

    @property
    def embedded(self) -> bool:
        """Whether the database is the embedded server's."""
        return self.database_url is None

    @property
    def creates_unknown_users(self) -> bool:
        """Whether a valid token is enough to become a user."""
        return self.embedded if self.create_unknown_users is None else self.create_unknown_users


class DocumentSettings(DatabaseSettings):
    """What the OpenAPI document depends on."""

    public_url: PublicUrl | None = None
    """How clients reach the service, without a slash at the end: what `Location`, `Link` and the
    OpenAPI document lead to. None: they are relative to the host."""


class Settings(DocumentSettings):
    """Every setting of the service. `.env.example` and the README explain them to its users."""

    better_auth_url: HttpUrl | None = None
    """The base URL of the auth server. Its keys, issuer and audience are derived from it."""

    better_auth_jwks_url: HttpUrl | None = None
    """The URL of the auth server's key set, where it is not the one derived."""

    better_auth_secret: Secret | None = None
    """The secret shared with the auth server. It verifies tokens with HS256."""

    jwt_issuer: str | None = None
    """What `iss` of a token must be, where it is not the one derived."""

    jwt_audience: str | None = None
    """What `aud` of a token must be or contain, where it is not the one derived."""

    oauth_issuer: Issuer | None = None
    """What `iss` of an OAuth access token must be, and where clients get one, where it is not the
    one derived."""

    mcp_enabled: bool = True
    """Whether agents are served at `/mcp`."""

    api_host: str | None = None
    """The IP address or host name to listen on. None: see `host`."""

    api_port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """The port to listen on. 0: any that is free."""

    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that serve."""

    cors_origins: Origins | None = None
    """The origins whose pages may call the API from a browser. None: see `allowed_origins`."""

    max_tasks_per_user: Annotated[int, Field(ge=0, le=MAX_ID)] = 100_000
    """How many tasks a user may have. 0: any number."""

    changes_retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """For how many days the changes feed tells that a task was deleted."""

    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 20
    """Connections of all workers together."""

    user_concurrency: Annotated[int, Field(ge=1, le=1000)] = 4
    """Requests of one user that a worker works on at once; see `user_turns`. More wait."""

    user_rate: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """The weight of one user's requests to a worker in 10 seconds. 0: any."""

    trusted_proxies: Networks = ()
    """The proxies whose `X-Forwarded-For` says where a request comes from."""

    request_timeout: Seconds = 10.0
    """How long a request may take, its body included."""

    keep_alive_timeout: Annotated[int, Field(ge=1, le=3600)] = 75
    """Seconds until an idle connection is closed. A balancer in front must close it first."""

    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Connections of clients to each worker. None: 2000, or as many as its limit of files permits
    if that is fewer."""

    max_body_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 128 * 1024
    """The largest body of a request. A batch may have 1 MiB in any case."""

    log_format: LogFormat = "auto"
    """`auto` is `console` on a terminal and `json` elsewhere."""

    log_level: LogLevel = "info"
    """The lowest level that is logged."""

    docs_enabled: bool = True
    """Whether `/docs` and `/openapi.json` are served."""

    @model_validator(mode="after")
    def _check_tokens_can_be_verified(self) -> Self:
        if not self.embedded and not self.better_auth_secret and not self.key_set_url:
            raise ValueError(
                "DATABASE_URL is set, so one of BETTER_AUTH_URL, BETTER_AUTH_JWKS_URL and "
                "BETTER_AUTH_SECRET must say whose tokens to trust"
            )
        return self

    @model_validator(mode="after")
    def _check_every_worker_has_a_connection(self) -> Self:
        if self.database_pool_size < self.workers:
            raise ValueError(
                "DATABASE_POOL_SIZE must be at least WORKERS: the workers share these connections"
            )
        return self

    @model_validator(mode="after")
    def _check_access_tokens_have_an_audience(self) -> Self:
        if self.oauth_issuer and not self.public_url:
            raise ValueError(
                "OAUTH_ISSUER needs PUBLIC_URL, which OAuth access tokens name as their audience"
            )
        return self

    @property
    def host(self) -> str:
        """The host to listen on: this machine alone with the embedded database, else everybody."""
        return self.api_host or ("127.0.0.1" if self.embedded else "0.0.0.0")  # noqa: S104 - a deployed service is reached from outside

    @property
    def allowed_origins(self) -> AllowedOrigins:
        """Those of `CORS_ORIGINS`, else with the embedded database this machine's, else none."""
        return AllowedOrigins(
            self.cors_origins or (), local=self.embedded and self.cors_origins is None
        )

    @cached_property
    def changes_retention(self) -> timedelta:
        """For how long the changes feed tells that a task was deleted."""
        return timedelta(days=self.changes_retention_days)

    @property
    def pool_size(self) -> int:
        """The connections of one worker."""
        return self.database_pool_size // self.workers

    @property
    def user_turns(self) -> int:
        """The turns of one user: one connection is left for the others, where there are several."""
        return min(self.user_concurrency, max(1, self.pool_size - 1))

    @property
    def key_set_url(self) -> str | None:
        """The URL of the auth server's key set. None: tokens are verified by a secret alone."""
        if self.better_auth_jwks_url:
            return self.better_auth_jwks_url
        return f"{self.better_auth_url}/api/auth/jwks" if self.better_auth_url else None

    @property
    def issuer(self) -> str | None:
        """What `iss` must be: Better Auth writes the origin of its base URL. None: anything."""
        return self.jwt_issuer or (origin(self.better_auth_url) if self.better_auth_url else None)

    @property
    def audience(self) -> str | None:
        """What `aud` must be or contain: Better Auth writes its issuer. None: anything."""
        return self.jwt_audience or (origin(self.better_auth_url) if self.better_auth_url else None)

    @property
    def access_token_issuer(self) -> str | None:
        """What `iss` of an OAuth access token must be. None: no such token is accepted.

        Better Auth writes the base path of its routes, which session tokens do not have.
        """
        if self.public_url is None:
            return None
        return self.oauth_issuer or (
            f"{self.better_auth_url}/api/auth" if self.better_auth_url else None
        )


AnySettings = TypeVar("AnySettings", bound=DatabaseSettings)


def load(kind: type[AnySettings]) -> AnySettings:
    """Read settings from the environment and `.env`.

    Raises:
        SettingsError: with one line for each mistake. Values are not repeated: some are secret.
    """
    try:
        return kind()
    except ValidationError as error:
        raise SettingsError("\n".join(_line(mistake) for mistake in error.errors())) from None


SENTENCES = {
    "bool_parsing": "must be true or false",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "greater_than": "must be more than {gt:.10g}",
    "greater_than_equal": "must be at least {ge:.10g}",
    "int_parsing": "must be a whole number",
    "less_than_equal": "must be at most {le:.10g}",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}
"""By pydantic's types of errors. Its own sentences speak of an input; these follow a name."""


def _line(mistake: Any) -> str:
    context = mistake.get("ctx", {})
    sentence = SENTENCES.get(mistake["type"], "is not a valid value").format(**context)
    name = ".".join(str(part) for part in mistake["loc"]).upper()
    # Without the quotation marks in which pydantic puts a literal's choices.
    return f"  {name} {sentence}".replace("'", "") if name else f"  {sentence}"
