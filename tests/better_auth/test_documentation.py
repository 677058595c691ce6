"""docs/better-auth.md shows what the tests run, and nothing else."""

import json
import re
from pathlib import Path

import pytest

from support.auth_server import SERVER
from support.auth_stage import MODES

PAGE = (Path(__file__).parents[2] / "docs" / "better-auth.md").read_text()

SHOWN = [
    *(
        SERVER / "configurations" / configuration / name
        for configuration in sorted({mode.configuration for mode in MODES.values()})
        for name in ("auth.mjs", "taskapi.env")
    ),
    SERVER / "browser" / "auth-client.mjs",
    SERVER / "browser" / "tasks-api.mjs",
]


def blocks(*languages: str) -> list[str]:
    """The page's blocks of code in these languages."""
    return re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("file", SHOWN, ids=lambda file: str(file.relative_to(SERVER)))
def test_what_is_run_is_on_the_page(file: Path) -> None:
    assert file.read_text() in blocks("js", "ini")


def test_what_is_on_the_page_is_run() -> None:
    assert set(blocks("js", "ini")) == {file.read_text() for file in SHOWN}


def test_the_version_is_the_one_that_is_run() -> None:
    packages = json.loads((SERVER / "package.json").read_text())["dependencies"]
    assert f"Better Auth {packages['better-auth']}," in PAGE


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(test_\w+\.py)(?:::(\w+))?", PAGE))))
def test_the_tests_that_the_page_names_exist(named: tuple[str, str]) -> None:
    file, test = named
    assert f"def {test}" in (Path(__file__).parent / file).read_text()
