"""The steps of docs/architecture.md, read from the page and applied to a copy of the package."""

import re
import shutil
from pathlib import Path
from typing import NamedTuple

from support.machine import ROOT

PAGE = ROOT / "docs" / "architecture.md"

BLOCK = re.compile(
    r"^```(?P<kind>python|diff)\n(?:# |--- )(?P<file>\S+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Step(NamedTuple):
    """One block of the page: a new file, or a change of one."""

    kind: str
    file: str
    text: str

    def apply(self, folder: Path) -> None:
        """Write the file, or change it where the block's context stands."""
        file = folder / self.file
        if self.kind == "python":
            file.parent.mkdir(exist_ok=True)
            file.write_text(self.text)
            return
        lines = self.text.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        content = file.read_text()
        assert content.count(before) == 1, f"{self.file} has not once:\n{before}"
        file.write_text(content.replace(before, after))


def steps(heading: str) -> list[Step]:
    """The steps of one section of the page."""
    _, _, rest = PAGE.read_text().partition(f"\n### {heading}\n")
    section = re.split(r"^##+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return [Step(**found.groupdict()) for found in BLOCK.finditer(section)]


def copy_of_the_package(folder: Path) -> Path:
    """The package and what is needed to check it, in a folder of its own."""
    copy_of_sources(folder, "taskapi", "scripts")
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def copy_of_sources(folder: Path, *names: str) -> None:
    """Copy folders of the checkout into another folder, with what is compiled of them.

    Python looks at the time of each source, which is copied, too. A file that it is still writing
    has another name, and may be gone before it can be copied.
    """
    for name in names:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))
