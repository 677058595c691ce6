"""Databases that have been started and migrated once, and are then copied.

The first start of an embedded server takes a second of CPU, which is initdb's and the migrations'.
Who does not test that takes a copy, with the same roles and rights.
"""

import atexit
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.people import Person
from support.programs import NONE, Service, Settings, development_service
from support.service import prepare
from taskapi.embedded.server import EmbeddedServer


@functools.cache
def _original() -> Path:
    """The folder with the data of a server that was stopped in order; one for each process."""
    # Not pytest's folder, through which only its owner may pass.
    folder = Path(tempfile.mkdtemp(prefix="taskapi-prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o711)
    server = EmbeddedServer(folder)
    try:
        prepare(server.start())
    finally:
        server.stop()
    return folder / "postgres"


def copy_prepared(directory: Path) -> None:
    """Put the data where an embedded server of this directory will look for them."""
    # With owners and modes, which shutil does not copy.
    subprocess.run(["cp", "--archive", _original(), directory], check=True)  # noqa: S607 - the system's


@contextmanager
def prepared_service(
    folder: Path, *arguments: object, prefix: Sequence[str] = (), settings: Settings = NONE
) -> Iterator[tuple[Service, Person]]:
    """`development_service`, but not its first start in this folder."""
    own = folder / ".taskapi"
    own.mkdir()
    shutil.chown(own, folder.stat().st_uid)
    copy_prepared(own)
    with development_service(folder, *arguments, prefix=prefix, settings=settings) as both:
        yield both
