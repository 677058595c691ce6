"""The system user that PostgreSQL runs as: the caller's or, because it refuses root, `nobody`."""

import os
import pwd
import shutil
import stat
from pathlib import Path

from taskapi.embedded.errors import EmbeddedServerError

SUBSTITUTE_FOR_ROOT = "nobody"

CAP_DAC_READ_SEARCH = 1 << 2
CAP_SETPCAP = 1 << 8

# A directory above may be closed to that user: root's home is. Rather than open it to everybody,
# the server keeps this one capability of root's, which lets it pass through and read.
KEEP_SEARCH_CAPABILITY = [
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
    # PostgreSQL's programs find each other with access(2), which drops that capability without it.
    "--securebits=+no_setuid_fixup",
]


def server_uid() -> int:
    """The user id that PostgreSQL runs with."""
    return pwd.getpwnam(SUBSTITUTE_FOR_ROOT).pw_uid if os.geteuid() == 0 else os.geteuid()


def give_to_server_user(path: Path) -> None:
    """Make a path of ours the server's."""
    if os.geteuid() == 0:
        shutil.chown(path, SUBSTITUTE_FOR_ROOT)


def as_server_user(*needed: Path) -> list[str]:
    """What to write in front of a command, so that it does not run as root.

    Args:
        needed: the paths that the command must reach.

    Raises:
        EmbeddedServerError: the program that changes the user is missing.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise EmbeddedServerError(
            "PostgreSQL refuses to run as root, and the program setpriv (package util-linux), "
            f"which would run it as '{SUBSTITUTE_FOR_ROOT}', is not installed; start as an "
            "ordinary user, or set DATABASE_URL"
        )
    group = pwd.getpwnam(SUBSTITUTE_FOR_ROOT).pw_gid
    prefix = [setpriv, f"--reuid={SUBSTITUTE_FOR_ROOT}", f"--regid={group}", "--clear-groups"]
    if any(_is_closed(path) for path in needed) and _may_keep_capability():
        prefix += KEEP_SEARCH_CAPABILITY
    return prefix


def _is_closed(path: Path) -> bool:
    """Whether others may not enter it, or a directory above it."""
    return any(not part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))


def _may_keep_capability() -> bool:
    needed = CAP_DAC_READ_SEARCH | CAP_SETPCAP
    return _effective_capabilities() & needed == needed


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
