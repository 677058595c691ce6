"""Puts `dist/taskapi.cdx.json` into the wheel where `make sbom` has made one (PEP 770).

A hook of hatchling. What builds a wheel in isolation has no packages installed whose licences it
could read, so a wheel that is built without `make sbom` has no document.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DOCUMENT = "dist/taskapi.cdx.json"


class Hook(BuildHookInterface[Any]):
    """Found by hatchling, as the only one here."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's
        """Add the document to the files of the wheel."""
        if Path(self.root, DOCUMENT).exists():
            build_data["sbom_files"].append(DOCUMENT)
