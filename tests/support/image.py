"""Builds the image of the Dockerfile without an engine, and runs programs in it.

Each stage is an overlay over this machine's own root, which stands for the base image: what a stage
adds or changes lies in a folder of its own, as a layer does. Mounts, processes and users are those
of namespaces that end with each command, so nothing is left behind.
"""

import fnmatch
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.machine import ROOT

SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

ENTER = """
set -e
mount -t overlay overlay -o lowerdir=/,upperdir={layer},workdir={work} {merged}
mount --rbind /dev {merged}/dev
mount -t proc proc {merged}/proc
{open}
{lock}
exec chroot {merged} {command}
"""

READ_ONLY = "mount -o remount,ro,bind {merged}; mount -t tmpfs tmpfs {merged}/tmp"
"""As `docker run --read-only --tmpfs /tmp`, and the shared memory that every container has."""

OPEN = "chmod go+x {folders}"
"""This machine's Python may be in root's home, where nobody else may pass; a base image's is not.
In the overlay alone."""


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile, each as its word and the rest."""
    lines = (line for line in dockerfile.splitlines() if line and not line.startswith("#"))
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        yield word.upper(), rest.strip()


def words(text: str) -> list[str]:
    """A list in JSON, as the exec form has it."""
    found: list[str] = json.loads(text)
    return found


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a file of the checkout out of the build."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    answer = False
    for line in lines:
        pattern = line.removeprefix("!")
        if not line or line.startswith("#") or not _matches(path, pattern):
            continue
        answer = not line.startswith("!")
    return answer


def _matches(path: str, pattern: str) -> bool:
    parts = path.split("/")
    above = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    if pattern.startswith("**/"):
        return any(fnmatch.fnmatchcase(part, pattern.removeprefix("**/")) for part in parts)
    return any(fnmatch.fnmatchcase(name, pattern) and "/" not in name for name in above)


@dataclass
class Stage:
    """A stage of the build, or the image that its last one makes."""

    folder: Path
    base: str
    arguments: Mapping[str, str]
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    said: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("layer", "work", "merged"):
            (self.folder / name).mkdir(parents=True)

    def path(self, inside: str) -> Path:
        """Where a path of this stage's layer is on this machine."""
        return self.folder / "layer" / str(Path(self.workdir, inside)).lstrip("/")

    def command(self, *command: str, read_only: bool = False) -> list[str]:
        """What to run here so that a command runs in there, as process 1."""
        user, _, group = self.user.partition(":")
        inner = [
            *("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"),
            *("env", "--ignore-environment", f"--chdir={self.workdir}"),
            *(f"{name}={value}" for name, value in self._environment().items()),
            *command,
        ]
        names = {name: str(self.folder / name) for name in ("layer", "work", "merged")}
        script = ENTER.format(
            **names,
            open=OPEN.format(folders=" ".join(_above(Path(names["merged"])))),
            lock=READ_ONLY.format(**names) if read_only else "",
            command=shlex.join(inner),
        )
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]

    def _environment(self) -> dict[str, str]:
        # The base image's Python is found as this machine's, and pip as this machine has it set up.
        home = {name: os.environ[name] for name in ("HOME",) if self.user == "0:0"}
        path = f"{os.environ['PATH']}:{SYSTEM}" if self.user == "0:0" else SYSTEM
        return {**home, "PATH": path, **self.env, **self.arguments}

    def run(self, text: str) -> None:
        """Do what RUN does."""
        subprocess.run(self.command("sh", "-euc", text), check=True, capture_output=True, text=True)


def _above(root: Path) -> list[str]:
    python = Path(sys.base_prefix)
    return [str(root / above.relative_to("/")) for above in [python, *python.parents][:-1]]


def build(folder: Path, arguments: Mapping[str, str]) -> Stage:
    """Build the image; gives its last stage.

    Args:
        folder: where the layers will be.
        arguments: variables of the building stages, before those of the Dockerfile.
    """
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for word, rest in instructions((ROOT / "Dockerfile").read_text()):
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stage = stages[name] = Stage(
                folder / (name or "image"), base, arguments if name else {}
            )
            continue
        assert stage is not None
        _carry_out(stage, stages, word, rest)
    assert stage is not None
    return stage


def _carry_out(stage: Stage, stages: dict[str, Stage], word: str, rest: str) -> None:
    match word:
        case "RUN":
            stage.run(rest)
        case "COPY":
            _copy(stage, stages, rest.split())
        case "ENV":
            for pair in shlex.split(rest):
                name, _, value = pair.partition("=")
                stage.env[name] = value.replace("$PATH", SYSTEM)
        case "WORKDIR":
            stage.workdir = rest
            stage.path(rest).mkdir(parents=True, exist_ok=True)
        case "USER":
            stage.user = rest
        case _:
            stage.said[word] = rest


def _copy(stage: Stage, stages: dict[str, Stage], parts: Sequence[str]) -> None:
    *sources, target = parts
    origin = ROOT
    if sources[0].startswith("--from="):
        origin = stages[sources.pop(0).removeprefix("--from=")].folder / "layer"
    for source in sources:
        start = origin / source.lstrip("/")
        end = stage.path(target)
        if start.is_dir():
            shutil.copytree(start, end, symlinks=True, ignore=_left_out if origin == ROOT else None)
        else:
            assert not ignored(source), f".dockerignore keeps {source} out"
            shutil.copy2(start, end)


def _left_out(folder: str, names: list[str]) -> set[str]:
    inside = Path(folder).relative_to(ROOT)
    return {name for name in names if ignored(str(inside / name))}
