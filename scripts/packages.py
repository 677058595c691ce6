"""Packages for the checks: what a lock names, what is installed, and wheels to offer."""

import re
import zipfile
from base64 import urlsafe_b64encode
from hashlib import sha256
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def locked(lock: Path) -> dict[str, str]:
    """The version of each package that a lock file names for this Python and platform."""
    lines = re.findall(r"^[a-z0-9].*(?= \\$)", lock.read_text(), re.MULTILINE)
    wanted = [it for it in map(Requirement, lines) if it.marker is None or it.marker.evaluate()]
    return {canonicalize_name(it.name): str(it.specifier).removeprefix("==") for it in wanted}


def installed(environment: Path) -> dict[str, str]:
    """The version of each package in a virtual environment, save that of pip."""
    (folder,) = environment.glob("lib/python*/site-packages")
    found = distributions(path=[str(folder)])
    versions = {canonicalize_name(each.metadata["Name"]): each.version for each in found}
    return {name: version for name, version in versions.items() if name != "pip"}


def write_wheel(folder: Path, name: str, version: str) -> Path:
    """Write a wheel with nothing in it but its metadata (PEP 427); gives the file."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def _digest(text: str) -> str:
    return urlsafe_b64encode(sha256(text.encode()).digest()).decode().rstrip("=")
