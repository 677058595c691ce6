"""Several hosts in `DATABASE_URL`, as libpq's documentation has them: a primary and its standby."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from support.background import Background
from support.machine import free_ports
from support.people import SECRET
from support.postgres import Postgres
from support.programs import run
from support.proxy import FaultProxy
from support.replicas import Replicas, replicas
from support.waiting import PATIENCE
from taskapi.database.hosts import Hosts
from taskapi.database.url import DatabaseUrl
from taskapi.libpq.keepalive import socket_options


@pytest.fixture(scope="module")
def pair() -> Iterator[Replicas]:
    with replicas() as pair:
        yield pair


def connected(url: DatabaseUrl, seconds: float = PATIENCE) -> str:
    """The socket of the server to which a connection leads."""
    return asyncio.run(_connected(Hosts(url), seconds))


async def _connected(hosts: Hosts, seconds: float = PATIENCE) -> str:
    connection = await hosts.connect(seconds, statement_cache_size=0)
    try:
        folder: str = await connection.fetchval("SHOW unix_socket_directories")
        return folder
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("any", "first"),
        ("read-write", "primary"),
        ("primary", "primary"),
        ("standby", "standby"),
        ("read-only", "standby"),
        ("prefer-standby", "standby"),
    ],
)
@pytest.mark.parametrize("order", [("primary", "standby"), ("standby", "primary")], ids="-".join)
def test_a_session_is_on_a_server_of_the_wanted_kind(
    pair: Replicas, attribute: str, expected: str, order: tuple[str, str]
) -> None:
    first, second = (getattr(pair, name) for name in order)
    url = pair.url(first, second, target_session_attrs=attribute)
    wanted = first if expected == "first" else getattr(pair, expected)
    assert connected(url) == str(wanted)


def test_a_standby_is_preferred_and_not_required(pair: Replicas) -> None:
    url = pair.url(pair.primary, target_session_attrs="prefer-standby")
    assert connected(url) == str(pair.primary)
    with pytest.raises(asyncpg.TargetServerAttributeNotMatched):
        connected(pair.url(pair.primary, target_session_attrs="standby"))


def test_a_host_that_refuses_is_passed_over(pair: Replicas) -> None:
    away = f"postgresql://taskapi@127.0.0.1:{free_ports(1)[0]},%2Fnowhere"
    there = f"{away},{_folder(pair.standby)}/postgres"
    assert connected(DatabaseUrl(there)) == str(pair.standby)
    with pytest.raises(FileNotFoundError):
        connected(DatabaseUrl(f"{away}/postgres"))


def test_hosts_are_taken_at_random_where_the_url_says_so(pair: Replicas) -> None:
    url = pair.url(pair.primary, pair.standby, load_balance_hosts="random")

    async def many() -> set[str]:
        hosts = Hosts(url)
        return {await _connected(hosts) for _ in range(40)}

    assert asyncio.run(many()) == {str(pair.primary), str(pair.standby)}


@pytest.mark.parametrize(("query", "seconds"), [("?connect_timeout=1", PATIENCE), ("", 2.0)])
def test_a_silent_host_costs_its_own_time_and_once(
    pair: Replicas, query: str, seconds: float
) -> None:
    """With half the time for each of two; a second connection begins with the other."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0)
        url = DatabaseUrl(
            f"postgresql://taskapi@{_at(silent)},{_folder(pair.primary)}/postgres{query}"
        )

        async def twice() -> set[str]:
            hosts = Hosts(url)
            return {await _connected(hosts, seconds) for _ in range(2)}

        assert asyncio.run(twice()) == {str(pair.primary)}
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


def _at(listener: socket.socket) -> str:
    return "{}:{}".format(*listener.getsockname())


def _folder(path: Path) -> str:
    return quote(str(path), safe="")


@pytest.mark.parametrize(
    ("sqlstate", "is_final"), [("28P01", True), ("53300", True), ("57P03", False)]
)
def test_only_what_passes_leads_to_the_next_host(
    background: Background, postgres: Postgres, sqlstate: str, is_final: bool
) -> None:
    """A wrong password is wrong everywhere; a server that starts up is one to pass over."""
    socket_file = postgres.sockets / ".s.PGSQL.5432"
    with FaultProxy(background, socket_file).running() as proxy:
        proxy.refusals = [sqlstate]
        hosts = f"127.0.0.1:{proxy.port},{_folder(postgres.sockets)}"
        url = DatabaseUrl(f"postgresql://taskapi@{hosts}/postgres?sslmode=disable")
        if is_final:
            with pytest.raises(asyncpg.PostgresError) as refused:
                connected(url)
            assert refused.value.sqlstate == sqlstate
        else:
            assert connected(url) == str(postgres.sockets)


def test_the_kernel_watches_every_connection(background: Background, postgres: Postgres) -> None:
    with FaultProxy(background, postgres.sockets / ".s.PGSQL.5432").running() as proxy:
        url = DatabaseUrl(
            f"postgresql://taskapi@127.0.0.1:{proxy.port}/postgres?sslmode=disable"
            "&keepalives_idle=77&tcp_user_timeout=8000"
        )

        async def options() -> list[tuple[int, int, int]]:
            connection = await Hosts(url).connect(PATIENCE)
            line = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]  # noqa: SLF001
            found = [
                (level, name, line.getsockopt(level, name))
                for level, name, _ in socket_options(url.target.parameters)
            ]
            await connection.close()
            return found

        assert asyncio.run(options()) == socket_options(url.target.parameters)
        assert (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77) in socket_options(
            url.target.parameters
        )


def test_what_the_url_sets_holds_in_the_session(pair: Replicas) -> None:
    url = pair.url(
        pair.primary, application_name="mine", options="-c%20search_path%3Dapp", jit="off"
    )

    async def shown() -> list[str]:
        connection = await Hosts(url).connect(
            PATIENCE, server_settings={"application_name": "taskapi", "statement_timeout": "7000"}
        )
        names = ("application_name", "search_path", "jit", "statement_timeout")
        values = [await connection.fetchval(f"SHOW {name}") for name in names]
        await connection.close()
        return values

    assert asyncio.run(shown()) == ["mine", "app", "off", "7s"]


def test_every_command_finds_the_host_that_accepts_writes(pair: Replicas, tmp_path: Path) -> None:
    url = pair.url(Path("/nowhere"), pair.standby, pair.primary, target_session_attrs="read-write")
    settings = {"DATABASE_URL": url.dsn, "BETTER_AUTH_SECRET": SECRET}
    migrated = run("taskapi", "migrate", folder=tmp_path, settings=settings)
    assert migrated.returncode == 0, migrated.stderr
    examined = run("taskapi", "doctor", folder=tmp_path, settings=settings)
    assert "accepted: it is a primary" in examined.stdout
