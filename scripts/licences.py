"""Which licences the packages of the service may have, and which one a package has.

Licences are SPDX expressions. A package says its own in its metadata (PEP 639); for those that do
not yet, it is read here from their files once.
"""

import re
from importlib.metadata import Distribution

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.utils import canonicalize_name

ALLOWED = {
    "0BSD": "permissive, asks for nothing",
    "Apache-2.0": "permissive, with a patent grant; the notice goes along in the package",
    "BSD-2-Clause": "permissive; the notice goes along in the package",
    "BSD-3-Clause": "likewise",
    "ISC": "likewise",
    "MIT": "likewise",
    "MIT-0": "permissive, asks for nothing",
    "MPL-2.0": "copyleft for its own files only, which are shipped unchanged",
    "PSF-2.0": "permissive; CPython's own",
    "PostgreSQL": "permissive; PostgreSQL's own",
}
"""By SPDX id: why it is no burden on whoever runs or ships the service."""

NAMED = {
    "markdown-it-py": "MIT",  # its LICENSE, and its classifier
    "mdurl": "MIT",  # likewise
    "shellingham": "ISC",  # likewise; the metadata say "ISC License"
    "uvloop": "MIT OR Apache-2.0",  # LICENSE-MIT and LICENSE-APACHE; the metadata say "MIT License"
}
"""By package: the licence where the metadata have no expression."""


class UnknownLicenceError(Exception):
    """A package whose licence is not known; the message names it."""


def licence_of(package: Distribution) -> str:
    """The licence of an installed package.

    Raises:
        UnknownLicenceError: neither its metadata nor `NAMED` have an expression.
    """
    metadata = package.metadata.json
    said = str(metadata.get("license_expression") or metadata.get("license", ""))
    name = canonicalize_name(package.metadata["Name"])
    try:
        return canonicalize_license_expression(said)
    except InvalidLicenseExpression:
        if name in NAMED:
            return NAMED[name]
        raise UnknownLicenceError(
            f"{name} says {said[:60]!r}, which is no SPDX expression"
        ) from None


def is_allowed(expression: str) -> bool:
    """Whether one of the alternatives of an expression asks for allowed licences only."""
    if "(" in expression:  # no package has one yet: AND binds more tightly than OR
        return False
    alternatives = re.split(r"\s+OR\s+", expression)
    return any(set(re.split(r"\s+AND\s+", each)) <= ALLOWED.keys() for each in alternatives)
