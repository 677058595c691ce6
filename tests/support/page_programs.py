"""The JavaScript of a page in Markdown: blocks that begin with a file name, and what they print."""

import re
from typing import NamedTuple

_LINES = r"(?:(?!```).*\n)*"
_BLOCK = re.compile(
    rf"^```js\n// (?P<name>\S+\.mjs)\n(?P<code>{_LINES})```\n"
    rf"(?:\n```text\n(?P<printed>{_LINES})```\n)?",
    re.MULTILINE,
)
"""A file, and what it prints where it is a program."""


class PagePrograms(NamedTuple):
    """The files of a page.

    Attributes:
        files: their code, by name.
        programs: what each of those that print something prints.
    """

    files: dict[str, str]
    programs: dict[str, str]


def read_programs(text: str) -> PagePrograms:
    """The files in a page."""
    blocks = list(_BLOCK.finditer(text))
    return PagePrograms(
        {block["name"]: block["code"] for block in blocks},
        {block["name"]: block["printed"] for block in blocks if block["printed"] is not None},
    )
