"""The formats by their names, as `format=` has them."""

from taskapi.transfer.formats.csv_file import CSV
from taskapi.transfer.formats.google import GOOGLE
from taskapi.transfer.formats.ics import CALENDAR
from taskapi.transfer.formats.jsonl import JSON_LINES
from taskapi.transfer.formats.records import ExportFormat, Format
from taskapi.transfer.formats.todoist import TODOIST
from taskapi.transfer.formats.todotxt import TODO_TXT

EXPORTS: dict[str, ExportFormat] = {
    "jsonl": JSON_LINES,
    "csv": CSV,
    "ics": CALENDAR,
    "todotxt": TODO_TXT,
}
"""Those that are written, and read."""

IMPORTS: dict[str, Format] = {**EXPORTS, "todoist": TODOIST, "google": GOOGLE}
"""Those that are read."""
