"""`scripts/install.py` on a checkout of its own, with small packages from an index of its own."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from scripts.packages import installed, write_wheel
from support.machine import ROOT
from support.recipe import copy_of_sources
from support.waiting import PATIENCE

PIP = f"{sys.executable} -m pip"


class Checkout:
    """A checkout that locks two packages, while newer ones are there.

    Args:
        folder: where it is.
        index: the folder of wheels from which pip installs.
    """

    def __init__(self, folder: Path, index: Path) -> None:
        self.folder = folder
        self.index = index
        (folder / "scripts").mkdir(parents=True)
        shutil.copy(ROOT / "Makefile", folder)
        shutil.copy(ROOT / "scripts" / "install.py", folder / "scripts")
        index.mkdir()
        for name in ("parcel", "string-bag"):
            write_wheel(index, name, "9999")
        self.lock(parcel="1.0", string_bag="2.0")

    def lock(self, **versions: str) -> None:
        """Lock these packages and no others."""
        lines = [self._pin(name.replace("_", "-"), versions[name]) for name in versions]
        lock = self.folder / "requirements.txt"
        lock.write_text("\n".join(lines))
        stamp = self.folder / ".venv" / "runtime"
        if stamp.exists():  # a lock that is newer, whatever the clock's steps
            os.utime(stamp, (0, 0))

    def _pin(self, name: str, version: str) -> str:
        wheel = write_wheel(self.index, name, version)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        return f"{name}=={version} \\\n    --hash=sha256:{digest}"

    def environment(self, **others: str) -> dict[str, str]:
        """Variables under which pip sees nothing but the index."""
        # Nor does it hear of the `make test` that runs this test.
        others_business = ("PIP_", "MAKE", "MFLAGS")
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(others_business)
        }
        nothing = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
        return kept | nothing | {"PIP_FIND_LINKS": str(self.index)} | others

    def command(self) -> list[str]:
        """What makes the environment of `make run`."""
        return ["make", f"PYTHON={sys.executable}", f"PIP={PIP}", ".venv/runtime"]

    def make(self, **others: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.command(),
            cwd=self.folder,
            env=self.environment(**others),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    @property
    def packages(self) -> dict[str, str]:
        """What is installed."""
        return installed(self.folder / ".venv")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    # In a folder with a name that a shell would take apart.
    return Checkout(tmp_path / "alice's check out", tmp_path / "index")


def test_the_locked_packages_are_installed_and_newer_ones_are_not(checkout: Checkout) -> None:
    done = checkout.make()
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.packages == {"parcel": "1.0", "string-bag": "2.0"}
    assert "2 locked packages" in done.stdout
    again = checkout.make()
    assert "up to date" in again.stdout


def test_a_changed_lock_replaces_what_differs_and_removes_what_no_lock_names(
    checkout: Checkout,
) -> None:
    checkout.make()
    checkout.lock(parcel="1.1")
    done = checkout.make()
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.packages == {"parcel": "1.1"}
    assert "string-bag" in done.stdout, "it says so"


def test_what_another_lock_beside_it_names_may_stay(checkout: Checkout) -> None:
    """`make run` does not take away from `make test`."""
    checkout.make()
    lock = checkout.folder / "requirements.txt"
    shutil.copy(lock, checkout.folder / "requirements-dev.txt")
    checkout.lock(parcel="1.0")
    assert checkout.make().returncode == 0
    assert checkout.packages == {"parcel": "1.0", "string-bag": "2.0"}


def test_an_installation_that_was_cut_short_is_made_anew(checkout: Checkout) -> None:
    """A package without its RECORD, which pip writes last: pip alone takes it for installed."""
    checkout.make()
    (record,) = checkout.folder.glob(".venv/lib/python*/site-packages/parcel-*/RECORD")
    record.unlink()
    (checkout.folder / ".venv" / "runtime").unlink()
    done = checkout.make()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "half-made" in done.stdout
    assert record.exists()


def test_another_installation_waits_for_the_first_to_end(checkout: Checkout) -> None:
    with (checkout.folder / "scripts" / "install.py").open() as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        process = subprocess.Popen(
            checkout.command(),
            cwd=checkout.folder,
            env=checkout.environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Waiting for another installation")
        assert not (checkout.folder / ".venv").exists()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def test_a_file_that_is_not_the_locked_one_is_refused(checkout: Checkout) -> None:
    wheel = checkout.index / "parcel-1.0-py3-none-any.whl"
    write_wheel(checkout.index, "string-bag", "3.0").rename(wheel)
    done = checkout.make()
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (checkout.folder / ".venv" / "runtime").exists()


def test_without_an_index_it_says_where_to_look(checkout: Checkout) -> None:
    done = checkout.make(PIP_FIND_LINKS="")
    assert done.returncode != 0
    assert "No matching distribution found for parcel==1.0" in done.stderr, "pip's own words"
    assert "pip config list" in done.stderr
    assert not (checkout.folder / ".venv" / "runtime").exists()
    assert checkout.make().returncode == 0, "and the next one begins again"


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("sys.version_info = (3, 10, 4)", "Python 3.11 or later"),
        ("sys.modules['ensurepip'] = None", "apt install python3-venv"),
    ],
)
def test_a_python_that_will_not_do_is_told_so(checkout: Checkout, python: str, said: str) -> None:
    """An older one, and one of Debian without its package python3-venv."""
    script = checkout.folder / "scripts" / "install.py"
    arguments = [str(script), str(checkout.folder / ".venv"), "requirements.txt"]
    code = (
        f"import runpy, sys; {python}; sys.argv[:] = {arguments}; runpy.run_path({str(script)!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_runs_the_checkout_from_any_folder(checkout: Checkout, tmp_path: Path) -> None:
    checkout.make()
    copy_of_sources(checkout.folder, "taskapi")
    (packages,) = checkout.folder.glob(".venv/lib/python*/site-packages")
    # Its dependencies. An installation of this checkout beside them would be another .pth file.
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib"))
    (tmp_path / "taskapi.py").write_text("raise SystemExit('not that of the working directory')")
    version = "import taskapi; print(taskapi.__file__)"
    python = checkout.folder / ".venv" / "bin" / "python"
    found = subprocess.run(
        [python, "-Pc", version], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()).is_relative_to(checkout.folder)
    done = subprocess.run(
        [checkout.folder / ".venv" / "bin" / "taskapi", "openapi"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOT / "openapi.json").read_bytes()
