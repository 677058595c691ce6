"""Whether the wheel holds the package and nothing else, and serves when it is installed."""

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent

PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def build(folder: Path) -> Path:
    """Build the wheel with the tools that are installed here."""
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
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    if packed != expected:
        sys.exit(f"Wheel: too much or too little: {sorted(packed ^ expected)}")
    return len(packed)


def install(wheel: Path, folder: Path) -> Path:
    """Install the wheel beside the packages of this environment; gives the command."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    options = ["install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*PIP, f"--python={python}", *options], check=True)
    # After the installation, or pip would find the checkout installed already.
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "outer.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "taskapi"


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
        check_service(install(wheel, folder / "venv"), folder / "empty")
        size = wheel.stat().st_size // 1024
        print(f"Wheel: {wheel.name}, {files} files, {size} KiB; installed, it serves.")


main()
