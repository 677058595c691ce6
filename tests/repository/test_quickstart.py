"""The quickstart of a checkout in which nothing is installed but the requirements."""

import re
import shutil
import sysconfig
import venv
from pathlib import Path

import httpx
import pytest

from support.machine import ROOT
from support.programs import READY, run, started
from support.recipe import copy_of_sources
from support.waiting import PATIENCE


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter that has this environment's packages, but not the one under test."""
    venv.create(tmp_path / "venv", symlinks=True)
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    # An editable installation is a .pth file too, and those of another folder are not read.
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib"))
    return tmp_path / "venv" / "bin" / "python"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a clone has of what the quickstart needs."""
    folder = tmp_path / "checkout"
    copy_of_sources(folder, "taskapi")
    shutil.copy(ROOT / "alembic.ini", folder)
    return folder


def quickstart() -> list[str]:
    """The commands of README's "The same, without make"."""
    chapter = (ROOT / "README.md").read_text().partition("\n## The same, without make\n")[2]
    return chapter.partition("```sh\n")[2].partition("\n```")[0].splitlines()


def test_a_checkout_serves_without_being_installed(python: Path, checkout: Path) -> None:
    """`alembic upgrade head`, `uvicorn taskapi.main:app --reload`, `/docs`."""
    _, install, migrate, serve = quickstart()
    assert install == "pip install --no-deps --require-hashes -r requirements.txt"
    module = (python, "-P", "-m")  # -P: nothing of the working directory, as for a command
    done = run(*module, *migrate.split(), folder=checkout)
    assert done.returncode == 0, done.stderr
    with started(*module, *serve.split(), "--port", 0, folder=checkout) as service:
        address = service.wait_for(re.compile(r"running on (?P<url>\S+)"))["url"]
        service.wait_for(READY)
        assert httpx.get(f"{address}/docs", timeout=PATIENCE).status_code == 200
        assert httpx.get(f"{address}/readyz", timeout=PATIENCE).status_code == 200
