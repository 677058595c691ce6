"""The licences of what is installed: each known and allowed, or `make check` fails."""

from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from scripts.check_licences import mistakes
from scripts.licences import is_allowed
from scripts.sbom import document


def package(folder: Path, *lines: str) -> Distribution:
    """A package with such metadata."""
    folder /= "made_up-1.0.dist-info"
    folder.mkdir()
    said = "\n".join(("Metadata-Version: 2.4", "Name: made-up", "Version: 1.0", *lines, ""))
    (folder / "METADATA").write_text(said)
    return PathDistribution(folder)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("License-Expression: MIT", None),
        ("License-Expression: GPL-3.0-only OR Apache-2.0", None),
        ("License: BSD-3-Clause", None),
        ("License-Expression: AGPL-3.0-only", "does not allow"),
        ("License-Expression: MIT AND SSPL-1.0", "does not allow"),
        ("License: BSD", "is no SPDX expression"),
        ("Keywords: nothing about it", "is no SPDX expression"),
    ],
)
def test_a_new_package_needs_a_known_and_allowed_licence(
    tmp_path: Path, line: str, wrong: str | None
) -> None:
    found = list(mistakes([package(tmp_path, line)]))
    assert len(found) == (wrong is not None)
    assert all("made-up" in each and wrong in each for each in found if wrong)


def test_parentheses_are_refused_rather_than_misread() -> None:
    assert not is_allowed("MIT AND (SSPL-1.0 OR GPL-3.0-only)")


def test_the_document_names_a_package_with_its_licence_and_what_it_says_to_contain(
    tmp_path: Path,
) -> None:
    made_up = package(tmp_path, "License-Expression: MIT")
    inside = '{"components": [{"type": "library", "name": "openssl", "version": "3.5"}]}'
    (tmp_path / "made_up-1.0.dist-info" / "sboms").mkdir()
    (tmp_path / "made_up-1.0.dist-info" / "sboms" / "own.json").write_text(inside)
    record = "made_up-1.0.dist-info/sboms/own.json,,\n"
    (tmp_path / "made_up-1.0.dist-info" / "RECORD").write_text(record)
    (component,) = document([made_up])["components"]
    assert (component["purl"], component["licenses"]) == (
        "pkg:pypi/made-up@1.0",
        [{"expression": "MIT"}],
    )
    assert [each["name"] for each in component["components"]] == ["openssl"]
