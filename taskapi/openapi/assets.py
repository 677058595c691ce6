"""The files of Swagger UI: which version, and the digest of each (decision 25).

They are those of npm's swagger-ui-dist of this version, byte for byte, and come with an installed
package. `make check` compares them with this list, and a browser loads nothing else, because the
page names each digest (Subresource Integrity).
"""

import importlib.util
from functools import cache
from pathlib import Path
from typing import NamedTuple

SWAGGER_UI = "5.34.0"

DOMPURIFY = "3.4.16"
"""The sanitizer inside of it, which no lock names."""

PACKAGE = "fastapi_swagger"
FOLDER = "resources"


class Asset(NamedTuple):
    """A file of Swagger UI.

    Attributes:
        file: its name in the package.
        integrity: its SHA-384, as HTML's `integrity` has it.
    """

    file: str
    integrity: str


ASSETS = {
    "swagger-ui.css": Asset(
        "swagger-ui.css",
        "sha384-4c3vsE5f+trhFyHrFrLM1fFGUn531NIaC7dcqEWIJdoRQJ5CkJbSuSCwXLpaS1KF",
    ),
    "swagger-ui-bundle.js": Asset(
        "swagger-ui-bundle.js",
        "sha384-9Td7MKiIr2S83E1kZyyVi8KdJw/S8CpAvu0llLyMeg0xq/hDGiZJfVn0fV4llCmK",
    ),
    "favicon.png": Asset(
        "favicon-32x32.png",
        "sha384-vCPruBEcPmxk2uv19KNJCkWttTDv8oQxBAzSuTndOepjsIyiKHSoLNlWOcQMpXdL",
    ),
}
"""By their names below `/docs/assets/`."""


def asset_file(name: str) -> Path:
    """Where one of `ASSETS` is installed."""
    return _folder() / ASSETS[name].file


@cache
def _folder() -> Path:
    package = importlib.util.find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise ModuleNotFoundError(PACKAGE)
    return Path(package.origin).parent / FOLDER
