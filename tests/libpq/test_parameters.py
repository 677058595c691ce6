"""The parameters of a URL: what each may be, and what is said of others."""

import asyncio
import socket

import pytest

from taskapi.database.hosts import Hosts
from taskapi.database.url import DatabaseUrl
from taskapi.libpq import parameters
from taskapi.libpq.errors import UrlError
from taskapi.libpq.keepalive import socket_options
from taskapi.libpq.target import Target


def target_of(query: str) -> Target:
    return Target.of(f"postgresql://user:hunter2@host/db?{query}")


@pytest.mark.parametrize(
    "query",
    [
        "channel_binding=prefer",
        "connect_timeout=10",
        "gssencmode=disable",
        "keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=3",
        "tcp_user_timeout=0",
        "krbsrvname=postgres",
        "passfile=/nowhere",
        "sslcompression=0",
        "sslnegotiation=postgres",
        "client_encoding=utf8",
        "uselibpqcompat=true&sslmode=require",
        "max_protocol_version=latest",
    ],
)
def test_what_concerns_the_client_is_not_sent_to_the_server(query: str) -> None:
    """A server refuses the whole connection for a setting that it does not know."""
    assert target_of(query).server_settings == {}


@pytest.mark.parametrize(
    ("query", "settings"),
    [
        ("application_name=a%26b", {"application_name": "a&b"}),
        ("fallback_application_name=f", {"application_name": "f"}),
        ("application_name=a&fallback_application_name=f", {"application_name": "a"}),
        ("options=-c%20search_path%3Dapp", {"options": "-c search_path=app"}),
        ("options=-csearch_path=app", {"options": "-csearch_path=app"}),
        ("options=endpoint%3Dep-cool-name", {"options": "endpoint=ep-cool-name"}),
        ("search_path=app&statement_timeout=5s", {"search_path": "app", "statement_timeout": "5s"}),
        ("app.tenant=7", {"app.tenant": "7"}),
    ],
)  # fmt: skip
def test_settings_of_the_server_are_sent(query: str, settings: dict[str, str]) -> None:
    assert target_of(query).server_settings == settings


@pytest.mark.parametrize(
    ("query", "words"),
    [
        # Of other programs
        ("schema=public", "options=-csearch_path"),
        ("currentSchema=app", "options=-csearch_path"),
        ("connection_limit=5", "DATABASE_POOL_SIZE"),
        ("pool_timeout=5", "DATABASE_CONNECT_TIMEOUT"),
        ("statement_cache_size=0", "pgbouncer=true"),
        ("prepared_statement_cache_size=0", "pgbouncer=true"),
        ("sslaccept=strict", "sslmode=verify-full&sslrootcert=system"),
        ("hunter=2", "do not know"),
        ("password=p%40ss&hunter=2", "do not know"),
        ("Sslmode=require", "do not know"),
        # Wrong values
        ("sslmode=required", "disable, allow, prefer, require, verify-ca or verify-full"),
        ("sslmode=no-verify", "sslmode=require"),
        ("sslmode=verify_full", "verify-full"),
        ("sslmode=", "must be disable"),
        ("ssl=no-verify", "sslmode=require"),
        ("ssl=maybe", "a wrong value of sslmode"),
        ("target_session_attrs=master", "read-write"),
        ("load_balance_hosts=on", "disable or random"),
        ("channel_binding=on", "disable, prefer or require"),
        ("connect_timeout=5s", "whole number"),
        ("connect_timeout=", "whole number"),
        ("connect_timeout=\u0665", "whole number"),
        ("keepalives=on", "whole number"),
        ("keepalives_idle=32768", "does not take"),
        ("keepalives_count=128", "does not take"),
        ("pgbouncer=maybe", "true, false"),
        ("ssl_min_protocol_version=1.2", "TLSv1.2"),
        ("ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2", "below"),
        ("sslnegotiation=tls", "postgres or direct"),
        # What asyncpg cannot do
        ("client_encoding=latin1", "UTF8"),
        ("gssencmode=require", "disable or prefer"),
        ("require_auth=scram-sha-256", "verify-full"),
        ("requirepeer=postgres", "remove it"),
        ("replication=database", "remove it"),
        ("sslsni=0", "must be 1"),
        ("sslcertmode=require", "disable or allow"),
        ("min_protocol_version=3.2", "must be 3.0"),
        # What does not go together
        ("sslrootcert=system&sslmode=require", "needs sslmode=verify-full"),
        ("sslnegotiation=direct", "needs sslmode=require"),
        ("sslnegotiation=direct&sslmode=prefer", "needs sslmode=require"),
        ("channel_binding=require&sslmode=disable", "needs sslmode=require"),
        ("sslmode=verify-full", "add sslrootcert=system"),
        ("sslmode=verify-ca", "add sslrootcert=system"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_refused_with_what_to_write_instead(query: str, words: str) -> None:
    with pytest.raises(UrlError) as refused:
        target_of(query)
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("query", "mode"),
    [
        ("ssl=true", "require"),
        ("ssl=1", "require"),
        ("ssl=require", "require"),
        ("ssl=false", "disable"),
        ("ssl=prefer", "prefer"),
        ("sslmode=disable&ssl=true", "require"),
        ("sslmode=REQUIRE", "require"),
    ],
)
def test_ssl_is_another_word_for_sslmode(query: str, mode: str) -> None:
    assert target_of(query).parameters["sslmode"] == mode


def test_channel_binding_that_asyncpg_lacks_means_tls_at_least() -> None:
    """Without `sslmode`, asyncpg would go on without TLS where the server has none."""
    assert target_of("channel_binding=require").options["ssl"].check_hostname is False
    assert target_of("").options["ssl"] == "prefer"


@pytest.mark.parametrize(
    ("host", "query", "is_verified"),
    [
        ("db.example.com", "sslmode=require&channel_binding=require", False),
        ("db.example.com", "", False),
        ("localhost,db.example.com", "", False),
        ("db.example.com", "sslrootcert=system", True),
        ("localhost", "", True),
        ("/run/postgresql", "sslmode=require", True),
    ],
)
def test_it_is_known_whether_the_server_is_verified(
    host: str, query: str, is_verified: bool
) -> None:
    assert Target.of(f"postgresql://?host={host}&{query}".strip("&")).is_verified is is_verified


def test_connections_are_kept_alive_within_four_minutes_unless_the_url_says_otherwise() -> None:
    defaults = {name: value for _, name, value in socket_options({})}
    assert defaults[socket.SO_KEEPALIVE] == 1
    noticed = (
        defaults[socket.TCP_KEEPIDLE]
        + defaults[socket.TCP_KEEPINTVL] * defaults[socket.TCP_KEEPCNT]
    )
    assert noticed < 240
    own = {"keepalives_idle": "7", "keepalives_count": "0", "tcp_user_timeout": "900"}
    chosen = {name: value for _, name, value in socket_options(own)}
    assert chosen[socket.TCP_KEEPIDLE] == 7
    assert socket.TCP_KEEPCNT not in chosen
    assert chosen[socket.TCP_USER_TIMEOUT] == 900
    off = socket_options({"keepalives": "0", "tcp_user_timeout": "0"})
    assert off == []


def test_each_parameter_is_in_one_table() -> None:
    tables = [
        parameters.FREE,
        parameters.NUMBERS,
        parameters.CHOICES,
        parameters.SETTINGS,
        parameters.ADVICE,
        parameters.OF_NO_MEANING,
        parameters.ALIASES,
    ]
    names = [name for table in tables for name in table]
    assert len(names) == len(set(names))


def test_a_url_that_is_refused_at_start_is_refused_by_the_command_too() -> None:
    with pytest.raises(UrlError):
        DatabaseUrl.parse("postgresql://host/db?schema=public")


@pytest.mark.parametrize(
    ("variable", "parameter"),
    [
        ("PGSSLMODE", "sslmode=prefer"),
        ("PGCONNECT_TIMEOUT", "connect_timeout=5"),
        ("PGGSSENCMODE", "gssencmode=disable"),
    ],
)
def test_a_variable_for_what_the_url_says_is_not_looked_at(variable: str, parameter: str) -> None:
    """A platform may have set it for other programs."""
    url = f"postgresql://user@host/db?{parameter}"
    assert Target.of(url, {variable: "nonsense"}) == Target.of(url)


def test_no_variable_that_only_asyncpg_reads_keeps_it_from_connecting(
    database: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGGSSLIB", "nonsense")

    async def connected() -> bool:
        connection = await Hosts(database).connect(5)
        await connection.close()
        return True

    assert asyncio.run(connected())
