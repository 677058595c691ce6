"""TLS between the service and a PostgreSQL that has it: Debian's, as the wheel's has none."""

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from support.background import Background
from support.certificates import Authority, Identity
from support.machine import cannot, free_ports
from support.other_postgres import installed, running
from support.waiting import PATIENCE
from taskapi.database.hosts import Hosts
from taskapi.database.url import DatabaseUrl
from taskapi.libpq import tls
from taskapi.libpq.errors import UrlError

ACCESS = """
hostssl all bob     127.0.0.1/32 cert
hostssl all taskapi 127.0.0.1/32 trust
hostnossl plain taskapi 127.0.0.1/32 trust
host    all all     127.0.0.1/32 reject
"""


@dataclass(frozen=True)
class Stage:
    """A server with TLS, and the files of those who know it."""

    background: Background
    port: int
    authority: Authority
    other: Authority
    server: Identity
    bob: Identity

    def connect(
        self, host: str = "127.0.0.1", user: str = "taskapi", **query: object
    ) -> str | None:
        """The version of TLS of a new connection; None without TLS."""
        said = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        url = f"postgresql://{user}@{host}:{self.port}/postgres?{said}".rstrip("?")
        return self.background.run(_version(DatabaseUrl(url)))


async def _version(url: DatabaseUrl) -> str | None:
    connection = await Hosts(url).connect(PATIENCE)
    try:
        version: str | None = await connection.fetchval(
            "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        )
        return version
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def stage(background: Background, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A server whose certificate names 127.0.0.1, and not localhost."""
    if not installed():
        cannot("no other PostgreSQL is installed: apt-get install postgresql")
    folder = tmp_path_factory.mktemp("certificates")
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    authority, other = Authority(folder, "authority"), Authority(folder, "other")
    server, bob = authority.issue("server", "127.0.0.1"), authority.issue("bob")
    [port] = free_ports(1)
    settings = (
        *(f"port={port}", "listen_addresses=127.0.0.1", "ssl=on"),
        *(f"ssl_cert_file={server.certificate}", f"ssl_key_file={server.key}"),
        f"ssl_ca_file={authority.certificate}",
    )
    with running(installed()[-1], settings=settings, access=ACCESS) as url:
        asyncio.run(_create_users(url.dsn))
        yield Stage(background, port, authority, other, server, bob)


async def _create_users(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CREATE ROLE bob LOGIN")
    finally:
        await connection.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home, which is empty."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"sslmode": "allow"},
        {"sslmode": "prefer"},
        {"sslmode": "require"},
        {"ssl": "true"},
        {"sslmode": "require", "channel_binding": "require"},
        {"channel_binding": "require"},
    ],
)
def test_tls_is_used_where_the_server_wants_it(stage: Stage, query: dict[str, Any]) -> None:
    assert stage.connect(**query) == "TLSv1.3"


def test_no_tls_is_used_where_the_url_wants_none(stage: Stage) -> None:
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        stage.connect(sslmode="disable")


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full", "require"])
def test_the_server_is_verified_with_the_named_authority(stage: Stage, mode: str) -> None:
    assert stage.connect(sslmode=mode, sslrootcert=stage.authority.certificate)
    with pytest.raises(ssl.SSLCertVerificationError):
        stage.connect(sslmode=mode, sslrootcert=stage.other.certificate)


def test_only_verify_full_looks_at_the_name(stage: Stage) -> None:
    root = stage.authority.certificate
    assert stage.connect(host="localhost", sslmode="verify-ca", sslrootcert=root)
    with pytest.raises(ssl.SSLCertVerificationError, match="localhost"):
        stage.connect(host="localhost", sslmode="verify-full", sslrootcert=root)


def test_system_means_the_authorities_that_the_system_trusts(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        stage.connect(sslrootcert="system")
    tls._context.cache_clear()  # noqa: SLF001 - only at start does the environment change
    monkeypatch.setenv("SSL_CERT_FILE", str(stage.authority.certificate))
    assert stage.connect(sslrootcert="system", sslmode="verify-full")
    assert stage.connect(sslrootcert="system")  # which means the same, as in libpq
    with pytest.raises(ssl.SSLCertVerificationError):
        stage.connect(host="localhost", sslrootcert="system")


def test_files_of_the_users_are_found_where_psql_finds_them(stage: Stage, home: Path) -> None:
    folder = home / ".postgresql"
    folder.mkdir()
    (folder / "root.crt").write_bytes(stage.other.certificate.read_bytes())
    for mode in ("require", "verify-full"):
        with pytest.raises(ssl.SSLCertVerificationError):
            stage.connect(sslmode=mode)
    (folder / "root.crt").write_bytes(stage.authority.certificate.read_bytes())
    (folder / "postgresql.crt").write_bytes(stage.bob.certificate.read_bytes())
    (folder / "postgresql.key").write_bytes(stage.bob.key.read_bytes())
    assert stage.connect(user="bob", sslmode="verify-full")


def test_a_certificate_that_is_replaced_is_read_again(stage: Stage, tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    root.write_bytes(stage.other.certificate.read_bytes())
    with pytest.raises(ssl.SSLCertVerificationError):
        stage.connect(sslmode="verify-full", sslrootcert=root)
    root.write_bytes(stage.authority.certificate.read_bytes())
    assert stage.connect(sslmode="verify-full", sslrootcert=root)


@pytest.mark.parametrize("mode", ["prefer", "require"])
def test_a_client_shows_its_certificate(stage: Stage, mode: str) -> None:
    files: dict[str, Any] = {"sslcert": stage.bob.certificate, "sslkey": stage.bob.key}
    assert stage.connect(user="bob", sslmode=mode, **files)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        stage.connect(user="bob", sslmode="require", sslcertmode="disable", **files)


def test_a_revoked_certificate_is_not_trusted(stage: Stage) -> None:
    root: dict[str, Any] = {"sslmode": "verify-full", "sslrootcert": stage.authority.certificate}
    assert stage.connect(**root, sslcrl=stage.authority.revoke(stage.bob))
    with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
        stage.connect(**root, sslcrl=stage.authority.revoke(stage.server))


def test_versions_of_tls_have_bounds(stage: Stage) -> None:
    assert stage.connect(sslmode="require", ssl_max_protocol_version="TLSv1.2") == "TLSv1.2"
    assert stage.connect(ssl_max_protocol_version="TLSv1.2") == "TLSv1.2"


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslcrl", "sslkey"])
def test_a_file_that_cannot_be_used_is_named_by_its_parameter(
    stage: Stage, tmp_path: Path, name: str
) -> None:
    empty = tmp_path / "hunter2"
    empty.write_text("no certificate")
    for file, words in {tmp_path / "missing": "cannot be read", empty: "in PEM"}.items():
        files: dict[str, Any] = {
            "sslrootcert": stage.authority.certificate,
            "sslcert": stage.bob.certificate,
        }
        if name == "sslkey":
            files["sslkey"] = stage.bob.key
        with pytest.raises(UrlError) as refused:
            stage.connect(sslmode="verify-full", **files | {name: file})
        assert name in str(refused.value)
        assert words in str(refused.value)
        assert "hunter2" not in str(refused.value)
