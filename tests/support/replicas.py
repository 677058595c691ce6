"""A primary and its standby, by streaming replication."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.other_postgres import run_quietly, running, wheel
from support.programs import as_ordinary_user, ordinary_folder
from support.rows import execute
from support.waiting import eventually
from taskapi.database.url import DatabaseUrl


@dataclass(frozen=True)
class Replicas:
    """Two servers on Unix sockets, in folders of their own.

    Attributes:
        primary: the folder of the first's socket.
        standby: of the second's.
    """

    primary: Path
    standby: Path
    _pg_ctl: tuple[object, ...]

    def url(self, *folders: Path, user: str = "taskapi", **query: str) -> DatabaseUrl:
        """The servers in these folders, in this order, as an operator writes them."""
        said = "".join(f"&{name}={value}" for name, value in query.items())
        hosts = ",".join(map(str, folders))
        return DatabaseUrl(f"postgresql://{user}@/postgres?host={hosts}{said}", pooler=False)

    def promote(self) -> None:
        """Have the standby accept writes."""
        run_quietly(*self._pg_ctl, "promote", "--wait")

    def refuse_writes(self) -> None:
        """Have the primary refuse writes in all sessions, as one that was demoted."""
        first = self.url(self.primary)
        execute(first, "ALTER SYSTEM SET default_transaction_read_only = on")
        execute(first, "SELECT pg_reload_conf()")
        # A new session has the new value only after all others were told of it.
        eventually(lambda: self._is_read_only(first), "writes are refused")

    @staticmethod
    def _is_read_only(url: DatabaseUrl) -> bool:
        return bool(execute(url, "SHOW transaction_read_only")[0][0] == "on")

    def accept_writes(self) -> None:
        """Undo that."""
        first = self.url(self.primary)
        execute(first, "ALTER SYSTEM RESET default_transaction_read_only")
        execute(first, "SELECT pg_reload_conf()")


@contextmanager
def replicas() -> Iterator[Replicas]:
    """Both servers, of the wheel, with the second in step with the first."""
    with ExitStack() as stack:
        url = stack.enter_context(running(wheel()))
        primary = Path(url.target.hosts[0][0])
        parent = stack.enter_context(tempfile.TemporaryDirectory(prefix="taskapi-standby-"))
        Path(parent).chmod(0o711)
        folder = ordinary_folder(Path(parent) / "server")
        data = folder / "data"
        user = as_ordinary_user()
        run_quietly(
            *(*user, wheel() / "pg_basebackup", f"--host={primary}", "--username=taskapi"),
            *(f"--pgdata={data}", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
        )
        pg_ctl = (*user, wheel() / "pg_ctl", f"--pgdata={data}")
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        run_quietly(*pg_ctl, "start", "--wait", f"--log={folder / 'log'}", f"--options={options}")
        stack.callback(run_quietly, *pg_ctl, "stop", "--mode=immediate")
        yield Replicas(primary, folder, pg_ctl)
