"""Trace context (W3C): who called us within which trace; and spans, where somebody collects them.

A caller's trace id goes into the log line. Spans are off unless OpenTelemetry's own variables name
a place to send them to, and then cost a request one look at `spans`.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import structlog

if TYPE_CHECKING:
    from taskapi.observability.spans import Spans

log = structlog.get_logger("taskapi")

TRACEPARENT = re.compile(
    rb"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    rb"(?P<later>-.*)?"
)
LONGEST_TRACEPARENT = 512

WANTED = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Either of them switches spans on."""

spans: "Spans | None" = None
"""What records spans in this process; None where nobody collects them."""


class Caller(NamedTuple):
    """Where in which trace a request was sent."""

    trace_id: str
    span_id: str
    sampled: bool


def caller_of(traceparent: bytes) -> Caller | None:
    """Read a `traceparent` header; None where it breaks a rule, and then a new trace begins here.

    A later version than 00 may say more behind the four parts that are known.
    """
    parts = TRACEPARENT.fullmatch(traceparent[:LONGEST_TRACEPARENT])
    if parts is None or parts["version"] == b"ff" or (parts["later"] and parts["version"] == b"00"):
        return None
    trace_id, span_id = parts["trace"].decode(), parts["span"].decode()
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return Caller(trace_id, span_id, sampled=bool(int(parts["flags"], 16) & 1))


def wanted() -> bool:
    """Whether the environment asks for spans, in OpenTelemetry's own words."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return False
    return any(os.environ.get(name) for name in WANTED)


@contextmanager
def exported() -> Iterator[None]:
    """While this lasts, record spans and send them away, if the environment asks for it."""
    global spans  # noqa: PLW0603 - one for the process, as the environment is
    if not wanted():
        yield
        return
    try:
        from taskapi.observability.spans import Spans  # noqa: PLC0415 - slow to import, and often not installed
    except ImportError as error:
        log.warning("tracing_unavailable", reason=str(error), remedy="install taskapi[otel]")
        yield
        return
    spans = Spans.exporting()
    try:
        yield
    finally:
        ending, spans = spans, None
        ending.close()
