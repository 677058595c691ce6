"""The JavaScript of the TypeScript client's README, which tests run as it stands there."""

import re

from support.typescript_client import PACKAGE

TEXT = (PACKAGE / "README.md").read_text()

_LINES = r"(?:(?!```).*\n)*"
_BLOCK = re.compile(
    rf"^```js\n// (?P<name>\S+\.mjs)\n(?P<code>{_LINES})```\n"
    rf"(?:\n```text\n(?P<printed>{_LINES})```\n)?",
    re.MULTILINE,
)
_BLOCKS = list(_BLOCK.finditer(TEXT))

FILES = {block["name"]: block["code"] for block in _BLOCKS}
PROGRAMS = {block["name"]: block["printed"] for block in _BLOCKS if block["printed"] is not None}
"""What each program prints."""
