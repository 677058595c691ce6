"""W3C trace context: the trace that a request belongs to; and spans, if they are exported.

The trace id of the caller goes into the log line. Spans are off unless OpenTelemetry's environment
variables name an endpoint. Off, they cost a request one comparison.
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
MAX_TRACEPARENT_BYTES = 512

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Variables of which each switches spans on."""

spans: "Spans | None" = None
"""Records the spans of this process; None if they are not exported."""


class Caller(NamedTuple):
    """The span of the caller."""

    trace_id: str
    span_id: str
    sampled: bool


def caller_of(traceparent: bytes) -> Caller | None:
    """Parse a `traceparent` header; None if it is malformed, and then a new trace begins here.

    Versions after 00 may have more parts behind the four known ones.
    """
    parts = TRACEPARENT.fullmatch(traceparent[:MAX_TRACEPARENT_BYTES])
    if parts is None or parts["version"] == b"ff" or (parts["later"] and parts["version"] == b"00"):
        return None
    trace_id, span_id = parts["trace"].decode(), parts["span"].decode()
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return Caller(trace_id, span_id, sampled=bool(int(parts["flags"], 16) & 1))


def is_enabled() -> bool:
    """Whether OpenTelemetry's environment variables ask for spans."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return False
    return any(os.environ.get(name) for name in ENDPOINTS)


@contextmanager
def exported() -> Iterator[None]:
    """While the context is open, record and export spans, if the environment asks for them."""
    global spans  # noqa: PLW0603 - one for the process, as the environment is
    if not is_enabled():
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
