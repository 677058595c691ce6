"""`DATABASE_URL`, in all forms that PostgreSQL's own clients take."""

import getpass
from pathlib import Path

import pytest

from taskapi.database.url import DatabaseUrl
from taskapi.libpq.errors import UrlError
from taskapi.libpq.target import Host, Target

NEON = (
    "postgresql://neondb_owner:npg_aBc%2F123@ep-cool-name-a1b2c3d4-pooler.eu-central-1.aws.neon.tech"
    "/neondb?sslmode=require&channel_binding=require"
)
NEON_HOST = "ep-cool-name-a1b2c3d4-pooler.eu-central-1.aws.neon.tech"


def refusal(url: str, **environment: str) -> str:
    """The sentence with which a URL is refused."""
    with pytest.raises(UrlError) as refused:
        Target.of(url, environment)
    return str(refused.value)


@pytest.mark.parametrize(
    "pasted",
    ["{}", " {}\n", "'{}'", '"{}"', "psql '{}'", "psql {}\r\n", 'psql "{}"  '],
)
def test_neons_address_works_as_pasted(pasted: str) -> None:
    address = DatabaseUrl.parse(pasted.format(NEON))
    assert address.target.hosts == ((NEON_HOST, 5432),)
    assert address.target.parameters["password"] == "npg_aBc/123"
    assert str(address) == f"{NEON_HOST}/neondb"
    assert address.pooler is True


def test_neons_direct_host_is_no_pooler_by_its_name() -> None:
    assert DatabaseUrl.parse(NEON.replace("-pooler", "")).pooler is None


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg2"]
)
def test_every_spelling_of_the_scheme_means_the_same(scheme: str) -> None:
    assert Target.of(f"{scheme}://user@host:5433/db").hosts == (("host", 5433),)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://h/db", [("h", 5432)]),
        ("postgresql://h1:5432,h2:5433/db", [("h1", 5432), ("h2", 5433)]),
        ("postgresql://u:p@h1,h2:5433,h3/db", [("h1", 5432), ("h2", 5433), ("h3", 5432)]),
        ("postgresql://[::1]:5433,[fe80::1]/db", [("::1", 5433), ("fe80::1", 5432)]),
        ("postgresql://h1,h2/db?port=6000", [("h1", 6000), ("h2", 6000)]),
        ("postgresql://h1,h2/db?port=6000,", [("h1", 6000), ("h2", 5432)]),
        ("postgresql:///db?host=h1,h2&port=1,2", [("h1", 1), ("h2", 2)]),
        ("postgresql://?host=/run/postgresql", [("/run/postgresql", 5432)]),
        ("postgresql://h/db?port=6000&", [("h", 6000)]),
        ("postgresql://%2Frun%2Fpostgresql,h2/db", [("/run/postgresql", 5432), ("h2", 5432)]),
        ("postgresql://u@/db?host=/a+b", [("/a+b", 5432)]),
        ("postgresql://weaker/db?host=stronger", [("stronger", 5432)]),
        ("postgresql://?hostaddr=127.0.0.1,::1&user=u", [("127.0.0.1", 5432), ("::1", 5432)]),
        ("postgresql://b%C3%BCcher.example/db", [("bücher.example", 5432)]),
    ],
)  # fmt: skip
def test_hosts_have_a_port_each_or_one_for_all(url: str, hosts: list[Host]) -> None:
    assert list(Target.of(url).hosts) == hosts


@pytest.mark.parametrize(
    ("text", "user", "password"),
    [
        ("user:p%40ss%2Fw%3Ard%25@", "user", "p@ss/w:rd%"),
        ("user:with#hash@", "user", "with#hash"),
        ("user:with?mark@", "user", "with?mark"),
        ("user:with:colon@", "user", "with:colon"),
        ("user:a+b c@", "user", "a+b c"),
        ("user:@", "user", ""),
        ("us%40er@", "us@er", None),
    ],
)
def test_a_password_is_what_psql_would_take_it_for(
    text: str, user: str, password: str | None
) -> None:
    given = Target.of(f"postgresql://{text}host/db").parameters
    assert (given["user"], given.get("password")) == (user, password)


def test_parameters_are_stronger_than_what_stands_before_them() -> None:
    target = Target.of("postgresql://a:b@h/c?user=d&password=e+f&dbname=g&dbname=i")
    assert (target.parameters["user"], target.parameters["password"]) == ("d", "e+f")
    assert target.database == "i"


def test_a_database_is_called_like_its_user_unless_it_is_named() -> None:
    assert Target.of("postgresql://alice@h").database == "alice"
    assert Target.of("postgresql://h/").database == getpass.getuser()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://user:hunter2@host/db", "must start with postgresql://"),
        ("jdbc:postgresql://host/db?password=hunter2", "must start with postgresql://"),
        ("host=h password=hunter2", "must start with postgresql://"),
        ("postgresql:/user:hunter2@host/db", "must start with postgresql://"),
        ("postgresql://user:se@hunter2@host/db", "@ as %40"),
        ("postgresql://user:se@hunter2/x@host/db", "@ as %40"),
        ("postgresql://user:12/hunter2@host/db", "/ as %2F"),
        ("postgresql://user:12@hunter2?x=y@host/db", "@ as %40"),
        ("postgresql://user:12@hunter2?sslmode=y&z=@host/db", "@ as %40"),
        ("postgresql://user:hunter2%@host/db", "% as %25"),
        ("postgresql://user:hunter2%zz@host/db", "% as %25"),
        ("postgresql://user:hunter2%00@host/db", "% as %25"),
        ("postgresql://user:hunter2%ff@host/db", "UTF-8"),
        ("postgresql://user:hunter2\udcff@host/db", "UTF-8"),
        ("postgresql://user:hun\nter2@host/db", "line end"),
        ("postgresql://user:hunter2@ho st/db", "space"),
        ("postgresql://user:hunter2@host/db ?sslmode=require", "space"),
        ("postgresql:///db?password=hunter2", "names no host"),
        ("postgresql://h1,,h2/hunter2", "names no host"),
        ("postgresql://user:hunter2@h:1:2/db", "not a valid URL"),
        ("postgresql://user:hunter2@::1/db", "not a valid URL"),
        ("postgresql://user:hunter2@[::1/db", "not a valid URL"),
        ("postgresql://user:hunter2@host:99999/db", "port"),
        ("postgresql://user:hunter2@host:0/db", "port"),
        ("postgresql://user:hunter2@host:\u0665/db", "port"),
        ("postgresql://user:hunter2@h1,h2,h3/db?port=1,2", "several ports"),
        ("postgresql://user:hunter2@host#x/db", "a host that is not"),
        ("postgresql://user:hunter2@" + "x" * 64 + ".com/db", "a host that is not"),
        ("postgresql://?host=@abstract&password=hunter2", "a host that is not"),
        ("postgresql://user:hunter2@host/db?hostaddr=127.0.0.1", "hostaddr beside host"),
        ("postgresql://user:hunter2@host/db?sslmode", "number 1"),
        ("postgresql://user:hunter2@host/db?sslmode=require&&x=y", "number 2"),
        ("postgresql://user:hunter2@host/db?service=none", "does not have"),
    ],
)  # fmt: skip
def test_what_can_never_work_is_refused_without_repeating_it(url: str, words: str) -> None:
    sentence = refusal(url)
    assert words in sentence
    assert "hunter" not in sentence
    assert "\n" not in sentence


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
    assert DatabaseUrl.parse(f"postgresql://host/db?{query}".strip("?")).pooler is pooler


def test_what_the_address_says_of_a_pooler_wins_over_the_hosts_name() -> None:
    assert DatabaseUrl.parse(f"{NEON}&pgbouncer=false").pooler is False


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:hunter2@host:5433/db?password=hunter2", "host:5433/db"),
        ("postgresql://user:hunter2@/db?host=/run/socket", "/run/socket/db"),
        ("postgresql://user:hunter2@h1,[::1]:5433/db", "h1,[::1]:5433/db"),
    ],
)
def test_people_see_an_address_without_user_and_password(url: str, shown: str) -> None:
    address = DatabaseUrl.parse(url)
    assert str(address) == shown
    assert "hunter2" not in repr(address)


# What a URL leaves open


def test_variables_of_psql_complete_a_url() -> None:
    environment = {
        "PGHOST": "elsewhere",
        "PGPORT": "6000",
        "PGUSER": "alice",
        "PGPASSWORD": "hunter2",
        "PGDATABASE": "tasks",
        "PGSSLMODE": "disable",
    }
    target = Target.of("postgresql://bob@h/?connect_timeout=3", environment)
    assert (target.hosts, target.database) == ((("h", 6000),), "tasks")
    assert target.parameters["user"] == "bob"
    assert target.options["password"] == "hunter2"
    assert target.options["ssl"] == "disable"
    assert Target.of("postgresql://", environment).hosts == (("elsewhere", 6000),)


def test_a_variable_with_a_mistake_is_named() -> None:
    sentence = refusal("postgresql://h/db", PGSSLMODE="hunter2")
    assert sentence.startswith("leaves something to PGSSLMODE, which has a wrong value of sslmode")
    assert "hunter2" not in sentence


def test_a_service_of_psql_completes_a_url(home: Path) -> None:
    file = home / ".pg_service.conf"
    file.write_text("[tasks]\nhost=h1,h2\nport=6000\nuser=alice\npassword=se=cret%\n")
    target = Target.of("postgresql://bob@/db?service=tasks", {"PGHOST": "elsewhere"})
    assert target.hosts == (("h1", 6000), ("h2", 6000))
    assert (target.parameters["user"], target.parameters["password"]) == ("bob", "se=cret%")
    assert Target.of("postgresql://", {"PGSERVICE": "tasks"}).parameters["user"] == "alice"
    assert "does not have" in refusal("postgresql://?service=others")
    file.write_text("no section")
    assert "not readable" in refusal("postgresql://?service=tasks")
