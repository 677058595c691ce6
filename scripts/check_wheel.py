"""Whether the wheel holds the package and nothing else, and serves where a stranger installs it.

A stranger has no lock: pip takes the newest release of each package that the wheel's metadata
allows. What that may break is bounded there (decision 13).
"""

import os
import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

import httpx

from scripts.packages import installed, locked

ROOT = Path(__file__).parent.parent

DOCUMENT = Path("dist/taskapi.cdx.json")
"""What the service is made of (CycloneDX)."""

PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def build(folder: Path) -> Path:
    """Build the wheel with the tools that are installed here, and with what it is made of."""
    subprocess.run([sys.executable, "-m", "scripts.sbom", ROOT / DOCUMENT], cwd=ROOT, check=True)
    options = ["--no-deps", "--no-build-isolation", f"--wheel-dir={folder}", str(ROOT)]
    subprocess.run([*PIP, "wheel", *options], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def check_content(wheel: Path) -> int:
    """Compare the wheel with the package's folder; gives the number of files."""
    expected = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "taskapi").rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    names = zipfile.ZipFile(wheel).namelist()
    if not any(name.endswith(f".dist-info/sboms/{DOCUMENT.name}") for name in names):
        sys.exit(f"Wheel: {DOCUMENT} is not in it")
    packed = {name for name in names if ".dist-info/" not in name}
    if packed != expected:
        sys.exit(f"Wheel: too much or too little: {sorted(packed ^ expected)}")
    return len(packed)


def install(wheel: Path, folder: Path) -> dict[str, str]:
    """Install the wheel into an empty environment, by its metadata; gives what is installed."""
    venv.create(folder, symlinks=True, with_pip=True)
    pip = [str(folder / "bin" / "python"), *PIP[1:]]
    subprocess.run([*pip, "install", "--no-compile", str(wheel)], check=True)
    subprocess.run([*pip, "check"], check=True)
    return installed(folder)


def not_as_locked(found: dict[str, str]) -> str:
    """Which packages are not of the locked version, for the reader of a failure."""
    lock = locked(ROOT / "requirements.txt")
    others = [f"{name} {found[name]}" for name in lock if found.get(name, lock[name]) != lock[name]]
    return ", ".join(others) or "none"


def check_service(command: Path, folder: Path) -> None:
    """Start the service in an empty folder, as the banner says, and ask whether it is ready."""
    folder.mkdir()
    service = subprocess.Popen(
        [command, "serve", "--port", "0"],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for line in service.stdout or ():
            if address := re.search(r"URL +(http\S+)", line):
                answer = httpx.get(f"{address[1]}/readyz", timeout=60)
                answer.raise_for_status()
                return
        sys.exit("Wheel: the installed service does not start")
    finally:
        service.terminate()
        service.communicate()


def main() -> None:
    """Build, look inside, install, start; and print what was found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(folder)
        files = check_content(wheel)
        environment = folder / "venv"
        found = install(wheel, environment)
        print(
            f"Wheel: {len(found)} packages; of other versions than locked: {not_as_locked(found)}"
        )
        check_service(environment / "bin" / "taskapi", folder / "empty")
        size = wheel.stat().st_size // 1024
        print(f"Wheel: {wheel.name}, {files} files, {size} KiB; installed, it serves.")


main()
