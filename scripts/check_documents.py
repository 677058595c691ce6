"""Whether the documents say what the program does: OpenAPI, `.env.example`, README, links."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from taskapi.config import Settings

ROOT = Path(__file__).parent.parent

SETTINGS = {name.upper() for name in Settings.model_fields}

EXAMPLE_LINE = re.compile(r"^#?(?P<name>[A-Z][A-Z_]+)=(?P<value>.*)$", re.MULTILINE)
TABLE_ROW = re.compile(r"^\| *(?P<cell>`[A-Z][A-Z_]+`[^|]*)\|", re.MULTILINE)
NAME = re.compile(r"`([A-Z][A-Z_]+)`")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(?P<title>.+?) *$", re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def outdated_openapi() -> Iterator[str]:
    """The committed document against the one that the program prints with no settings."""
    with tempfile.TemporaryDirectory() as empty:
        printed = subprocess.run(
            [sys.executable, "-m", "taskapi", "openapi"],
            cwd=empty,
            env={name: value for name, value in os.environ.items() if name not in SETTINGS},
            capture_output=True,
            check=True,
        ).stdout
    committed = ROOT / "openapi.json"
    if not committed.exists() or committed.read_bytes() != printed:
        yield "openapi.json is not current: make openapi"


def unexplained_settings() -> Iterator[str]:
    """`.env.example` against the settings and their defaults, and README's table likewise."""
    example = dict(EXAMPLE_LINE.findall((ROOT / ".env.example").read_text()))
    yield from _differences(".env.example", set(example))
    for name, text in example.items():
        field = Settings.model_fields.get(name.lower())
        # Read in the way that the environment is read.
        if (
            field
            and text
            and getattr(Settings(**{name.lower(): text}), name.lower()) != field.default
        ):
            yield f".env.example: {name}={text} is not its default, {field.default!r}"
    table = [name for cell in TABLE_ROW.findall(_text("README.md")) for name in NAME.findall(cell)]
    if table:
        yield from _differences("README.md", set(table))


def _differences(file: str, names: set[str]) -> Iterator[str]:
    yield from (f"{file} does not name the setting {name}" for name in sorted(SETTINGS - names))
    yield from (f"{file} names {name}, which is no setting" for name in sorted(names - SETTINGS))


def documents() -> list[str]:
    """The repository's own Markdown files."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],  # noqa: S607 - the git that made this checkout
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return listed.splitlines()


def broken_links(document: str) -> Iterator[str]:
    """Links from one Markdown file to files and headings of this repository that are not there."""
    for target in links(document):
        name, _, heading = target.partition("#")
        there = (ROOT / document).parent / name if name else ROOT / document
        if not there.exists():
            yield f"{document} links to {target}, which is not there"
        elif heading and heading not in _anchors(there.read_text()):
            yield f"{document} links to {target}, but there is no such heading"


def links(document: str) -> list[str]:
    """The targets of a Markdown file's links, other than those that lead elsewhere."""
    targets = LINK.findall(CODE.sub("", _text(document)))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def _anchors(markdown: str) -> set[str]:
    """The names that headings get: lower case, spaces to hyphens, no other punctuation."""
    titles = HEADING.findall(markdown)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _text(document: str) -> str:
    file = ROOT / document
    return file.read_text() if file.exists() else ""


def main() -> None:
    """Print what is wrong, or in a line that nothing is."""
    names = documents()
    problems = [*outdated_openapi(), *unexplained_settings()]
    problems += [problem for name in names for problem in broken_links(name)]
    if problems:
        sys.exit("\n".join(problems))
    count = sum(len(links(name)) for name in names)
    print(
        f"Documents: openapi.json is current, {len(SETTINGS)} settings are explained, "
        f"{count} links in {len(names)} files resolve."
    )


main()
