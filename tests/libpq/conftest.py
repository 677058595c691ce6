"""A user without files of their own, and an environment without PostgreSQL's variables."""

import os
from pathlib import Path

import pytest

from taskapi.libpq.environment import VARIABLES


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home, which is empty."""
    for name in VARIABLES.keys() & os.environ.keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path
