"""PostgreSQL of the system's packages that is reached over TLS alone, with a password."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.certificates import Authority
from support.machine import free_ports
from support.other_postgres import running
from taskapi.database.url import DatabaseUrl

SUPERUSER = "postgres"

RULES = f"""
local    all  {SUPERUSER}  trust
local    all  all  scram-sha-256
hostssl  all  all  127.0.0.1/32  scram-sha-256
hostssl  all  all  ::1/128  scram-sha-256
"""
"""pg_hba.conf: whoever comes over the network without TLS is turned away."""


@dataclass(frozen=True)
class TlsServer:
    """A running server.

    Attributes:
        superuser: its URL on the socket, for the tests themselves.
        sockets: the folder of its Unix socket.
        port: on which it listens for TLS.
        authority: the certificate with which clients check the server's.
    """

    superuser: DatabaseUrl
    sockets: Path
    port: int
    authority: Path


@contextmanager
def running_with_tls(programs: Path, *settings: str) -> Iterator[TlsServer]:
    """Such a server of these programs.

    Args:
        programs: the folder that they are in.
        settings: more settings, each as `name=value`.
    """
    with tempfile.TemporaryDirectory(prefix="taskapi-tls-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        authority = Authority(folder, "authority")
        server = authority.issue("server", "localhost", "127.0.0.1")
        if os.geteuid() == 0:
            shutil.chown(server.key, "nobody")  # as whom the server runs then
        (folder / "pg_hba.conf").write_text(RULES)
        (port,) = free_ports(1)
        options = (
            *("listen_addresses=localhost", f"port={port}", f"hba_file={folder}/pg_hba.conf"),
            *("ssl=on", f"ssl_cert_file={server.certificate}", f"ssl_key_file={server.key}"),
            *settings,
        )
        with running(programs, SUPERUSER, options) as url:
            sockets = Path(url.dsn.partition("host=")[2].partition("&")[0])
            yield TlsServer(url, sockets, port, authority.certificate)
