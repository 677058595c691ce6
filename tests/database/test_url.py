"""Addresses of databases, in the forms that providers print."""

from urllib.parse import parse_qs, urlsplit

import pytest

from taskapi.database.url import DatabaseUrl

NEON = (
    "postgresql://neondb_owner:npg_aBc%2F123@ep-cool-name-a1b2c3d4-pooler.eu-central-1.aws.neon.tech"
    "/neondb?sslmode=require&channel_binding=require"
)


def test_neons_address_works_as_pasted() -> None:
    address = DatabaseUrl.parse(NEON)
    assert address.dsn == NEON.removesuffix("&channel_binding=require")
    assert address.pooler is True


def test_neons_direct_host_is_no_pooler_by_its_name() -> None:
    assert DatabaseUrl.parse(NEON.replace("-pooler", "")).pooler is None


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg"]
)
def test_every_spelling_of_the_scheme_means_the_same(scheme: str) -> None:
    assert (
        DatabaseUrl.parse(f"{scheme}://user@host:5433/db").dsn == "postgresql://user@host:5433/db"
    )


@pytest.mark.parametrize(
    "parameter",
    [
        "channel_binding=require",
        "connect_timeout=10",
        "gssencmode=disable",
        "keepalives=1",
        "keepalives_idle=30",
        "keepalives_interval=10",
        "keepalives_count=3",
        "pgbouncer=true",
    ],
)
def test_what_is_meant_for_another_client_is_left_out(parameter: str) -> None:
    """A server refuses the whole connection for a setting that it does not know."""
    address = DatabaseUrl.parse(f"postgresql://host/db?{parameter}&sslmode=verify-full")
    assert address.dsn == "postgresql://host/db?sslmode=verify-full"


@pytest.mark.parametrize(
    ("query", "pooler"),
    [
        ("pgbouncer=true", True),
        ("pgbouncer=TRUE", True),
        ("pgbouncer=1", True),
        ("pgbouncer=false", False),
        ("pgbouncer=0", False),
        ("", None),
    ],
)
def test_a_pooler_is_known_by_what_the_address_says(query: str, pooler: bool | None) -> None:
    assert DatabaseUrl.parse(f"postgresql://host/db?{query}").pooler is pooler


def test_what_the_address_says_of_a_pooler_wins_over_the_hosts_name() -> None:
    assert DatabaseUrl.parse(f"{NEON}&pgbouncer=false").pooler is False


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:p%40ss%2Fw%3Ard@host/db",
        "postgresql://user@/db?host=%2Ftmp%2Fsocket+dir",
        "postgresql://user@[::1]:5432/db?application_name=a%26b",
        "postgresql://host/db?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem",
    ],
)
def test_what_is_encoded_stays_so(url: str) -> None:
    before, after = urlsplit(url), urlsplit(DatabaseUrl.parse(url).dsn)
    assert (after.netloc, after.path) == (before.netloc, before.path)
    assert parse_qs(after.query) == parse_qs(before.query)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (NEON, "ep-cool-name-a1b2c3d4-pooler.eu-central-1.aws.neon.tech/neondb"),
        ("postgresql://user:hunter2@host:5433/db?password=hunter2", "host:5433/db"),
        ("postgresql://user:hunter2@/db?host=/run/socket", "/run/socket/db"),
    ],
)
def test_people_see_an_address_without_user_and_password(url: str, shown: str) -> None:
    assert str(DatabaseUrl.parse(url)) == shown
