"""Whether every locked package of the service has a known licence that is on the list.

Also whether the document of `make sbom` keeps to the schema of CycloneDX.

    python -m scripts.check_licences
"""

import json
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

from scripts.licences import NAMED, UnknownLicenceError, is_allowed, licence_of
from scripts.sbom import document, locked_packages


def mistakes(packages: Iterable[Distribution]) -> Iterator[str]:
    """What is wrong, one sentence each."""
    for package in packages:
        name = canonicalize_name(package.metadata["Name"])
        try:
            licence = licence_of(package)
        except UnknownLicenceError as error:
            yield f"{error}: look at its files, and enter it in scripts/licences.py"
            continue
        if not is_allowed(licence):
            yield f"{name} is under {licence}, which scripts/licences.py does not allow"
        if name in NAMED and "license_expression" in package.metadata.json:
            yield f"{name} says its licence itself now: remove it from scripts/licences.py"


def main() -> None:
    """Look at each, and print what was found."""
    packages = locked_packages()
    found = list(mistakes(packages))
    made = json.dumps(document(packages) if not found else {})
    if not found and (error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(made)):
        found.append(f"the document of scripts/sbom.py is no CycloneDX 1.6: {error}")
    if found:
        sys.exit("Licences:\n" + "\n".join(found))
    print(f"Licences: {len(packages)} packages, each under an allowed one.")


if __name__ == "__main__":
    main()
