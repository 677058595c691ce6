"""The formats by their names, as `format=` has them."""

from taskapi.transfer.csv_file import CSV
from taskapi.transfer.ics import CALENDAR
from taskapi.transfer.jsonl import JSON_LINES
from taskapi.transfer.records import ExportFormat, Format

EXPORTS: dict[str, ExportFormat] = {"jsonl": JSON_LINES, "csv": CSV, "ics": CALENDAR}
"""Those that are written, and read."""

IMPORTS: dict[str, Format] = {**EXPORTS}
"""Those that are read."""
