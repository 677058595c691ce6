"""The JavaScript of the TypeScript client's README, which tests run as it stands there."""

from support.page_programs import read_programs
from support.typescript_client import PACKAGE

TEXT = (PACKAGE / "README.md").read_text()
FILES, PROGRAMS = read_programs(TEXT)
