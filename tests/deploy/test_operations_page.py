"""docs/operations.md, carried out from top to bottom by somebody who has only that page.

With the system's programs, on Debian's PostgreSQL, which takes nothing but TLS over the network.
The new major version after it is the wheel's.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from support.machine import PROGRAMS, ROOT, cannot, free_ports
from support.other_postgres import installed, running, wheel
from support.people import SECRET
from support.programs import environment
from support.rows import execute
from support.tls_postgres import SUPERUSER, TlsServer, running_with_tls
from support.waiting import PATIENCE
from taskapi.database.url import DatabaseUrl

PAGE = ROOT / "docs" / "operations.md"
ENGINES = ("docker ", "kubectl ", "sudo ")

PASSWORD = "the owner's"

ADDED = {
    "taskapi doctor": """
psql "$DIRECT_URL" --quiet --command "INSERT INTO users (id) VALUES (1)" \\
    --command "INSERT INTO tasks (title, user_id) SELECT n, 1 FROM generate_series(1, 7) n"
""",
    'psql "$NEW_DIRECT_URL" --command "SELECT setval': """
psql "$NEW_DIRECT_URL" --tuples-only \\
    --command "INSERT INTO tasks (title, user_id) VALUES ('After', 1) RETURNING 'next id', id"
""",
}
"""What happens meanwhile, by the beginning of the block before which it does: users and tasks, so
that there is something to back up; and the first task on the new server."""


def blocks() -> list[str]:
    """The commands of the page, but those that need an engine, a cluster or root."""
    found = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [it for it in found if not it.startswith(ENGINES)]


def script() -> str:
    """The blocks and what happens between them, ended by the first error."""
    steps = blocks()
    for beginning, step in ADDED.items():
        steps.insert(next(n for n, it in enumerate(steps) if it.startswith(beginning)), step)
    return "set -euo pipefail -m; trap 'kill -KILL %1 || true' ERR\n" + "\n".join(steps)


def test_only_whole_blocks_are_left_out() -> None:
    assert not [it for it in blocks() if any(name in it for name in ENGINES)]


@dataclass
class Servers:
    """The old server and the new one.

    Attributes:
        old: takes TLS alone.
        new: its superuser's URL.
    """

    old: TlsServer
    new: DatabaseUrl

    def over_tls(self, role: str, password: str, database: str, mode: str = "verify-full") -> str:
        """A URL on the old server."""
        place = f"{role}:{quote(password)}@localhost:{self.old.port}/{database}?sslmode={mode}"
        root = f"&sslrootcert={self.old.authority}" if mode == "verify-full" else ""
        return f"postgresql://{place}{root}"

    def on_new(self, role: str) -> str:
        """A URL on the new server."""
        return self.new.as_role(role).dsn.replace("/postgres?", "/production?")

    @property
    def publisher(self) -> str:
        """How the new server reaches the old one: its libpq has no TLS."""
        socket = f"host={self.old.sockets} port={self.old.port}"
        escaped = PASSWORD.replace("'", r"\'")
        return f"{socket} dbname=production user=operator password='{escaped}'"


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """With an operator on both who is not their superuser."""
    if not installed():
        cannot("no PostgreSQL of the system is installed: apt-get install postgresql")
    # Durable, because the doctor asks for that.
    quick = ("listen_addresses=", "wal_receiver_status_interval=1", "fsync=on")
    with (
        running_with_tls(installed()[-1], "wal_level=logical", "fsync=on") as old,
        running(wheel(), SUPERUSER, quick) as new,
    ):
        password = PASSWORD.replace("'", "''")
        as_superuser(
            old.superuser,
            (f"CREATE ROLE operator LOGIN CREATEROLE CREATEDB REPLICATION PASSWORD '{password}'",),
        )
        as_superuser(new, ("CREATE ROLE operator LOGIN CREATEROLE IN ROLE pg_create_subscription",))
        for server in (old.superuser, new):
            as_superuser(server, ("CREATE DATABASE production OWNER operator",))
        yield Servers(old, new)


def as_superuser(server: DatabaseUrl, statements: Sequence[str]) -> None:
    for statement in statements:
        execute(server, statement, moves_clock=True)


def test_the_page_can_be_followed(servers: Servers, tmp_path: Path) -> None:
    """Roles, schema, rights, doctor, service, backup, restore, a new server, log, stop."""
    (tmp_path / ".venv").symlink_to(PROGRAMS.parent)
    (port,) = free_ports(1)
    given = {
        # As Neon's console shows it; the others check the certificate, too.
        "DIRECT_URL": servers.over_tls("operator", PASSWORD, "production", "require"),
        "DATABASE_URL": servers.over_tls("taskapi_service", "a password", "production"),
        "RESTORED_URL": servers.over_tls("operator", PASSWORD, "restored"),
        "RESTORED_DATABASE_URL": servers.over_tls("taskapi_service", "a password", "restored"),
        "PUBLISHER_URL": servers.publisher,
        "NEW_DIRECT_URL": servers.on_new("operator"),
        "NEW_DATABASE_URL": servers.on_new("taskapi_service"),
        "SERVICE_PASSWORD": "a password",
        "NEW_SERVICE_PASSWORD": "another password",
        "CHECKOUT": ROOT,
        "BETTER_AUTH_SECRET": SECRET,
        "JWT_ISSUER": "https://app.example.com",
        "JWT_AUDIENCE": "https://app.example.com",
        "API_HOST": "127.0.0.1",
        "API_PORT": port,
        "PATH": "/usr/bin:/bin",  # of a machine without the project
        "PYTHONDONTWRITEBYTECODE": "",  # twelve commands, each of which would compile the service
    }
    done = subprocess.run(
        ["/bin/bash", "-c", script()],
        cwd=tmp_path,
        env=environment(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=5 * PATIENCE,
    )
    if done.returncode != 0:
        pytest.fail(f"{done.stdout}\n{done.stderr}")
    said = done.stdout
    assert re.search(r"^ t +\| TLSv1\.", said, re.MULTILINE), "psql came over TLS"
    for line in ("schema: current", "rights: complete", "row security: in force"):
        assert said.count(f"ok  {line}\n") == 3, "before, restored, and on the new server"
    assert '{"status":"ready"}' in said
    found = re.findall(r"^ +(\d+) \| +(\d+) \|", said, re.MULTILINE)
    assert found == [("7", "7")] * 4, "everything was restored, and replicated"
    assert re.search(r"next id +\| +8$", said, re.MULTILINE), "no id is used twice"
    assert '"status": 401' in said, "the log line of the request"
    assert "\0" not in (tmp_path / "taskapi.log").read_text(), "no hole where it was cut"
    print(said, done.stderr)  # noqa: T201 - for who runs it with -s
