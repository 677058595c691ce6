"""The operator's commands of `taskapi.transfer`, called in this process."""

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

import pytest
from typer.main import get_command

from taskapi.database.url import DatabaseUrl
from taskapi.transfer.commands import commands


class Told(NamedTuple):
    """What a command has done, as whoever called it sees it."""

    status: int
    stdout: str
    stderr: str


def told(database: DatabaseUrl, *arguments: object, **settings: str) -> Told:
    """What a command does, run in this process, because a program takes a second to start."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    run = get_command(commands)
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        for name, value in {"DATABASE_URL": database.dsn, **settings}.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as end:
            run([*map(str, arguments)])
    out.seek(0)
    code = end.value.code or 0
    status, last = (code, "") if isinstance(code, int) else (1, f"{code}\n")
    return Told(status, out.read(), err.getvalue() + last)
