"""Settings: every one of them checked at start, with one readable line for each mistake."""

import ast
import inspect
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from taskapi import config
from taskapi.config import DatabaseSettings, Settings, SettingsError, load

SECRET = "0123456789abcdef0123456789abcdef"
DATABASE = "postgresql://user:hunter2@db.example.com/tasks"

Given = Callable[..., None]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Given:
    """Sets the environment to these settings and no others, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def given(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return given


def mistakes() -> list[str]:
    """The lines with which the settings are refused."""
    with pytest.raises(SettingsError) as refusal:
        load(Settings)
    return [line.strip() for line in str(refusal.value).splitlines()]


def test_every_setting_of_the_contract_is_there_and_no_other() -> None:
    assert {name.upper() for name in Settings.model_fields} == {
        "API_HOST",
        "API_PORT",
        "BETTER_AUTH_JWKS_URL",
        "BETTER_AUTH_SECRET",
        "BETTER_AUTH_URL",
        "CHANGES_RETENTION_DAYS",
        "CORS_ORIGINS",
        "CREATE_UNKNOWN_USERS",
        "DATABASE_CONNECT_TIMEOUT",
        "DATABASE_POOL_SIZE",
        "DATABASE_URL",
        "DOCS_ENABLED",
        "JWT_AUDIENCE",
        "JWT_ISSUER",
        "KEEP_ALIVE_TIMEOUT",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "MAX_BODY_BYTES",
        "MAX_CONNECTIONS",
        "MAX_TASKS_PER_USER",
        "MCP_ENABLED",
        "OAUTH_ISSUER",
        "PUBLIC_URL",
        "REQUEST_TIMEOUT",
        "TRUSTED_PROXIES",
        "USERS_TABLE",
        "USER_CONCURRENCY",
        "USER_ID_TYPE",
        "USER_RATE",
        "WORKERS",
    }


def test_without_any_setting_the_service_is_local_and_has_its_own_database(given: Given) -> None:
    settings = load(Settings)
    assert settings.embedded
    assert settings.creates_unknown_users
    assert (settings.host, settings.api_port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert (settings.pool_size, settings.max_body_bytes) == (20, 128 * 1024)
    assert (settings.user_id_type, settings.users_table) == ("integer", "users")
    assert settings.cors_origins is None
    for port in ("", ":3000", ":5173"):
        assert settings.allowed_origins.allow(f"http://localhost{port}".encode())
    assert settings.public_url is None
    assert settings.docs_enabled
    assert settings.mcp_enabled
    assert settings.access_token_issuer is None
    assert settings.keep_alive_timeout > 60, "for which nginx keeps a connection to the service"
    assert (settings.key_set_url, settings.issuer, settings.audience) == (None, None, None)


def test_with_a_database_the_service_is_reached_from_outside_and_knows_its_users(
    given: Given,
) -> None:
    given(DATABASE_URL=DATABASE, BETTER_AUTH_SECRET=SECRET)
    settings = load(Settings)
    assert not settings.embedded
    assert not settings.creates_unknown_users
    assert not settings.allowed_origins
    assert not settings.allowed_origins.allow(b"http://localhost:3000")
    assert settings.host == "0.0.0.0"  # noqa: S104 - that is the point


def test_every_setting_takes_effect(given: Given) -> None:
    given(
        DATABASE_URL=DATABASE,
        BETTER_AUTH_SECRET=SECRET,
        API_HOST="::1",
        API_PORT="9000",
        WORKERS="3",
        DATABASE_POOL_SIZE="10",
        CREATE_UNKNOWN_USERS="true",
        CORS_ORIGINS="https://a.example.com, http://localhost:5173 ,",
        PUBLIC_URL="https://API.example.com:443/tasks/",
        REQUEST_TIMEOUT="2.5",
        DATABASE_CONNECT_TIMEOUT="1",
        MAX_BODY_BYTES="2048",
        MAX_CONNECTIONS="50",
        MAX_TASKS_PER_USER="10",
        CHANGES_RETENTION_DAYS="7",
        LOG_FORMAT="json",
        LOG_LEVEL="WARNING",
        DOCS_ENABLED="false",
        USER_ID_TYPE="text",
        USERS_TABLE="user",
        JWT_ISSUER="somebody",
        JWT_AUDIENCE="us",
        OAUTH_ISSUER="https://a.example.com/issuer/",
        MCP_ENABLED="false",
    )
    settings = load(Settings)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == DATABASE
    assert settings.better_auth_secret is not None
    assert settings.better_auth_secret.get_secret_value() == SECRET
    assert (settings.host, settings.api_port, settings.workers) == ("::1", 9000, 3)
    assert settings.pool_size == 3  # ten shared out among three workers
    assert settings.creates_unknown_users
    assert settings.cors_origins == ("https://a.example.com", "http://localhost:5173")
    assert settings.public_url == "https://api.example.com/tasks"
    assert (settings.request_timeout, settings.database_connect_timeout) == (2.5, 1)
    assert (settings.max_body_bytes, settings.max_connections) == (2048, 50)
    assert settings.max_tasks_per_user == 10
    assert settings.changes_retention == timedelta(days=7)
    assert (settings.log_format, settings.log_level) == ("json", "warning")
    assert not settings.docs_enabled
    assert (settings.user_id_type, settings.users_table) == ("text", "user")
    assert (settings.issuer, settings.audience) == ("somebody", "us")
    assert settings.access_token_issuer == "https://a.example.com/issuer/"
    assert not settings.mcp_enabled


# The auth server


def test_access_tokens_are_of_the_auth_server_unless_another_one_is_named(given: Given) -> None:
    given(BETTER_AUTH_URL="https://a.example.com")
    assert load(Settings).access_token_issuer is None, "no token could name this service"
    given(PUBLIC_URL="https://api.example.com")
    assert load(Settings).access_token_issuer == "https://a.example.com/api/auth"


def test_an_issuer_of_access_tokens_without_an_audience_is_refused(given: Given) -> None:
    given(OAUTH_ISSUER="https://a.example.com")
    [line] = mistakes()
    assert "PUBLIC_URL" in line


@pytest.mark.parametrize(
    ("url", "keys", "origin"),
    [
        ("https://a.example.com", "https://a.example.com/api/auth/jwks", "https://a.example.com"),
        ("http://localhost:3000/", "http://localhost:3000/api/auth/jwks", "http://localhost:3000"),
        ("https://a.example.com/x", "https://a.example.com/x/api/auth/jwks", "https://a.example.com"),
        ("https://A.Example.com", "https://A.Example.com/api/auth/jwks", "https://a.example.com"),
        ("https://a.example.com:443", "https://a.example.com:443/api/auth/jwks", "https://a.example.com"),
        ("http://[::1]:80", "http://[::1]:80/api/auth/jwks", "http://[::1]"),
        ("http://a.example.com:443", "http://a.example.com:443/api/auth/jwks", "http://a.example.com:443"),
    ],
)  # fmt: skip
def test_the_auth_servers_address_tells_keys_issuer_and_audience(
    given: Given, url: str, keys: str, origin: str
) -> None:
    given(BETTER_AUTH_URL=url)
    settings = load(Settings)
    assert (settings.key_set_url, settings.issuer, settings.audience) == (keys, origin, origin)


def test_what_is_said_of_keys_issuer_and_audience_wins(given: Given) -> None:
    given(
        BETTER_AUTH_URL="https://a.example.com",
        BETTER_AUTH_JWKS_URL="http://inside:3000/keys",
        JWT_ISSUER="somebody",
        JWT_AUDIENCE="us",
    )
    settings = load(Settings)
    assert settings.key_set_url == "http://inside:3000/keys"
    assert (settings.issuer, settings.audience) == ("somebody", "us")


def test_a_database_without_anybody_who_can_sign_in_is_refused(given: Given) -> None:
    given(DATABASE_URL=DATABASE)
    [line] = mistakes()
    for name in ("BETTER_AUTH_SECRET", "BETTER_AUTH_URL", "BETTER_AUTH_JWKS_URL"):
        assert name in line


@pytest.mark.parametrize("name", ["BETTER_AUTH_URL", "BETTER_AUTH_JWKS_URL"])
def test_a_key_set_is_enough_to_sign_in(given: Given, name: str) -> None:
    given(DATABASE_URL=DATABASE, **{name: "https://a.example.com"})
    assert load(Settings).key_set_url is not None


def test_migrations_need_the_database_alone(given: Given) -> None:
    given(DATABASE_URL=DATABASE, BETTER_AUTH_SECRET="short")
    assert not load(DatabaseSettings).embedded


def test_every_setting_is_documented_where_it_is_declared() -> None:
    module = ast.parse(inspect.getsource(config))
    undocumented = {
        statement.target.id
        for kind in module.body
        if isinstance(kind, ast.ClassDef)
        for statement, following in pairwise([*kind.body, None])
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and not is_text(following)
    }
    assert undocumented == set()


def is_text(statement: ast.stmt | None) -> bool:
    """Whether a statement is nothing but a string, as a docstring is."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


# Mistakes


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DATABASE_URL", "mysql://user:hunter2@host/db", "must start with postgresql://"),
        ("DATABASE_URL", "hunter2", "must start with postgresql://"),
        ("DATABASE_URL", "postgresql:///db?password=hunter2", "names no host"),
        ("DATABASE_URL", "postgresql://user:hunter2/x@host/db", "encoded"),
        ("DATABASE_URL", "postgresql://user:hunter2@host:99999/db", "not a valid URL"),
        ("DATABASE_CONNECT_TIMEOUT", "0", "must be more than 0"),
        ("DATABASE_CONNECT_TIMEOUT", "nan", "must be a finite number"),
        ("DATABASE_POOL_SIZE", "0", "must be at least 1"),
        ("USER_ID_TYPE", "bigint", "must be integer, text or uuid"),
        ("USERS_TABLE", 'users"; DROP TABLE tasks; --', "a table name"),
        ("USERS_TABLE", "database.public.users", "a table name"),
        ("USERS_TABLE", ".users", "a table name"),
        ("BETTER_AUTH_SECRET", "hunter2", "7 bytes and needs at least 32"),
        ("BETTER_AUTH_SECRET", "hunter2" + "x" * 24, "31 bytes and needs at least 32"),
        ("BETTER_AUTH_URL", "a.example.com", "http:// or https://"),
        ("BETTER_AUTH_URL", "ftp://a.example.com", "http:// or https://"),
        (
            "BETTER_AUTH_URL",
            "https://user:hunter2@a.example.com",
            "must not contain a user or a password",
        ),
        ("BETTER_AUTH_URL", "https://a.example.com:port", "not a valid URL"),
        ("BETTER_AUTH_JWKS_URL", "file:///etc/passwd", "http:// or https://"),
        ("OAUTH_ISSUER", "https://a.example.com?x", "must not contain a query"),
        ("OAUTH_ISSUER", "a.example.com", "http:// or https://"),
        ("CREATE_UNKNOWN_USERS", "maybe", "must be true or false"),
        ("API_PORT", "http", "must be a whole number"),
        ("API_PORT", "9" * 5000, "is not a valid value"),
        ("REQUEST_TIMEOUT", "301", "must be at most 300"),
        ("MAX_BODY_BYTES", "16777217", "must be at most 16777216"),
        ("API_PORT", "65536", "must be at most 65535"),
        ("WORKERS", "0", "must be at least 1"),
        ("CORS_ORIGINS", "*", "every site"),
        ("CORS_ORIGINS", "http://localhost:3000,*", "every site"),
        ("CORS_ORIGINS", "https://a.example.com/app", "number 1 has a path"),
        ("CORS_ORIGINS", "https://a.example.com,https://b.example.com/", "number 2 has a path"),
        ("CORS_ORIGINS", "https://me:hunter2@a.example.com", "number 1 has a user"),
        ("PUBLIC_URL", "api.example.com", "http:// or https://"),
        ("PUBLIC_URL", "capacitor://localhost", "http:// or https://"),
        ("PUBLIC_URL", "https://me:hunter2@api.example.com", "must not contain a user"),
        ("PUBLIC_URL", "https://api.example.com/tasks?", "a query or a fragment"),
        ("PUBLIC_URL", "https://api.example.com/#", "a query or a fragment"),
        ("PUBLIC_URL", "https://api.example.com//tasks", "nothing empty"),
        ("PUBLIC_URL", "https://api.example.com/../tasks", "a path such as"),
        ("PUBLIC_URL", "https://api.example.com/a/./b", "a path such as"),
        ("PUBLIC_URL", "https://api.example.com/%2e%2e", "encoded"),
        ("PUBLIC_URL", "https://api.example.com/<b>", "a path such as"),
        ("PUBLIC_URL", "https://api.example.com/t\u00e4sks", "a path such as"),
        ("PUBLIC_URL", "https://*.example.com", "no valid host"),
        ("PUBLIC_URL", "https://b\u00fccher.example", "xn--"),
        ("PUBLIC_URL", "https://127.1", "IP address"),
        ("REQUEST_TIMEOUT", "-1", "must be more than 0"),
        ("REQUEST_TIMEOUT", "inf", "must be a finite number"),
        ("MAX_BODY_BYTES", "10", "must be at least 1024"),
        ("MAX_CONNECTIONS", "0", "must be at least 1"),
        ("LOG_FORMAT", "xml", "must be auto, console or json"),
        ("LOG_LEVEL", "loud", "must be debug, info, warning or error"),
        ("DOCS_ENABLED", "perhaps", "must be true or false"),
    ],
)
def test_a_mistake_is_one_line_that_names_it_and_repeats_no_secret(
    given: Given, name: str, value: str, said: str
) -> None:
    given(**{"BETTER_AUTH_SECRET": SECRET, name: value})
    [line] = mistakes()
    assert line.startswith(f"{name} ")
    assert said in line
    assert "hunter" not in line
    assert SECRET not in line


def test_every_mistake_has_its_line(given: Given) -> None:
    given(API_PORT="x", WORKERS="x", LOG_LEVEL="x", DOCS_ENABLED="x", BETTER_AUTH_SECRET="x")
    assert {line.split()[0] for line in mistakes()} == {
        "API_PORT",
        "WORKERS",
        "LOG_LEVEL",
        "DOCS_ENABLED",
        "BETTER_AUTH_SECRET",
    }


def test_workers_share_the_connections_so_there_is_one_for_each(given: Given) -> None:
    given(WORKERS="4", DATABASE_POOL_SIZE="3")
    [line] = mistakes()
    assert "DATABASE_POOL_SIZE" in line
    assert "WORKERS" in line


def public_keys() -> dict[str, str]:
    key = Ed25519PrivateKey.generate().public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    ssh = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    jwk = '{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
    return {
        "PEM": pem,
        "PEM in one line": pem.replace("\n", ""),
        "PEM after a space": f" {pem}",
        "body of PEM": "".join(pem.splitlines()[1:-1]),
        "OpenSSH": ssh,
        "JWK": jwk,
        "JWK set": f'{{"keys": [{jwk}]}}',
        "certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    }


@pytest.mark.parametrize("form", public_keys())
def test_a_public_key_is_no_secret(given: Given, form: str) -> None:
    key = public_keys()[form]
    given(BETTER_AUTH_SECRET=key)
    [line] = mistakes()
    assert line.startswith("BETTER_AUTH_SECRET is a public key")
    assert key not in line


@pytest.mark.parametrize(
    "secret",
    [SECRET, "ü" * 16, "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=", "ssh-ed25519 " + "x" * 32],
)
def test_a_secret_is_any_text_of_32_bytes(given: Given, secret: str) -> None:
    given(BETTER_AUTH_SECRET=secret)
    assert load(Settings).better_auth_secret is not None


def test_no_secret_shows_when_settings_are_printed(given: Given) -> None:
    given(DATABASE_URL=DATABASE, BETTER_AUTH_SECRET=SECRET)
    settings = load(Settings)
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert SECRET not in text
        assert "hunter2" not in text


# Where settings come from


def test_an_empty_variable_is_none(given: Given) -> None:
    given(DATABASE_URL="", API_PORT="", BETTER_AUTH_SECRET="")
    settings = load(Settings)
    assert settings.embedded
    assert settings.api_port == 8000


def test_a_file_named_env_is_read_and_the_environment_wins(given: Given) -> None:
    Path(".env").write_text("API_PORT=7000\nWORKERS=2\nSOMEBODY_ELSES=1\n")
    given(WORKERS="3")
    settings = load(Settings)
    assert (settings.api_port, settings.workers) == (7000, 3)
