"""The page on reliability names tests; these are there."""

import re
from pathlib import Path

from support.machine import ROOT

FILES = [*Path(__file__).parent.glob("test_*.py"), ROOT / "tests" / "server" / "test_life.py"]
"""Those that break something under the service."""


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "reliability.md").read_text()))
    there = {
        test
        for file in (ROOT / "tests").rglob("test_*.py")
        for test in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    assert named
    assert named <= there


def test_every_fault_that_is_tested_is_on_the_page() -> None:
    """Tests of one layer alone are named by their file."""
    page = (ROOT / "docs" / "reliability.md").read_text()
    whole_files = {"test_document.py", "test_retries.py"}
    tested = {
        test
        for file in FILES
        if file.name not in whole_files
        for test in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    assert {test for test in tested if f"`{test}`" not in page} == set()
