"""The formats by their names, as `format=` has them."""

from taskapi.transfer.csv_file import CSV
from taskapi.transfer.google import GOOGLE
from taskapi.transfer.ics import CALENDAR
from taskapi.transfer.jsonl import JSON_LINES
from taskapi.transfer.records import ExportFormat, Format
from taskapi.transfer.todoist import TODOIST
from taskapi.transfer.todotxt import TODO_TXT

EXPORTS: dict[str, ExportFormat] = {
    "jsonl": JSON_LINES,
    "csv": CSV,
    "ics": CALENDAR,
    "todotxt": TODO_TXT,
}
"""Those that are written, and read."""

IMPORTS: dict[str, Format] = {**EXPORTS, "todoist": TODOIST, "google": GOOGLE}
"""Those that are read."""
