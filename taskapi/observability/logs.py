"""Logs: one line for each event, as JSON for machines or readable for people."""

import json
import logging
import sys
from io import StringIO
from typing import TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from taskapi.config import Settings

SHARED: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure_logs(settings: Settings) -> None:
    """Write all logs, uvicorn's too, to standard output in one format.

    What is not printable is escaped, so that no text of a client can end a line or move a cursor.
    """
    readable = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stdout.isatty()
    )
    last = _console_processors() if readable else _json_processors()
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*SHARED, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *SHARED],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    logging.getLogger("uvicorn.error").setLevel(level)


def _json_processors() -> list[Processor]:
    # Tracebacks as Python prints them: with local variables they would show tokens.
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_to_json)]


# One encoder for all lines: json.dumps makes one for each line (4 of 11 microseconds).
_ENCODER = json.JSONEncoder(default=repr)


def _to_json(event: object, **_: object) -> str:
    return _ENCODER.encode(event)


def _console_processors() -> list[Processor]:
    return [
        _escape_event,
        structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(),
            repr_native_str=True,
            exception_formatter=_write_traceback,
        ),
    ]


# The renderer escapes values, but not events, which libraries write, and not exceptions.


def _escape_event(_logger: object, _method: str, event: EventDict) -> EventDict:
    event["event"] = _printable(str(event["event"]))
    return event


def _write_traceback(output: TextIO, exc_info: ExcInfo) -> None:
    """Write a traceback with all lines indented, so that none looks like a line of the log."""
    plain = StringIO()
    structlog.dev.plain_traceback(plain, exc_info)
    output.write("\n".join(f"    {_printable(line)}" for line in plain.getvalue().split("\n")))


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
