"""Spans, recorded and exported by OpenTelemetry (the extra `taskapi[otel]`).

Imported by `tracing` alone, and only if spans are enabled. OpenTelemetry reads the rest of the
`OTEL_*` variables itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from taskapi import __version__

UNNAMED = "unknown_service"
"""OpenTelemetry's name for a service without one."""

SERVER_ERROR = 500

EXPORT_TIMEOUT_SECONDS = 2.0
"""At the end of the process, for the last spans to be exported."""


class Spans:
    """Records a span for each request, and in it one for each statement.

    Args:
        provider: decides which are sampled, and where they are exported.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("taskapi", __version__)

    @classmethod
    def exporting(cls) -> "Spans":
        """Spans that are exported to the endpoint of the environment."""
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider)

    def request(self, caller: tuple[str, str, bool] | None) -> "RequestSpan":
        """Begin the span of a request, which becomes the parent of this task's statements.

        Args:
            caller: trace id, span id and whether it is sampled, if the request has them.
        """
        parent = context.Context() if caller is None else _remote(*caller)
        return RequestSpan(self._tracer.start_span("request", parent, SpanKind.SERVER))

    @contextmanager
    def statement(self, text: str) -> Iterator[None]:
        """The span of one execution. The text has parameters in place of values."""
        verb = text.split(None, 1)[0]
        with self._tracer.start_as_current_span(
            verb,
            kind=SpanKind.CLIENT,
            attributes={
                "db.system.name": "postgresql",
                "db.operation.name": verb,
                "db.query.text": text,
            },
            # The message of an error may quote what a user has written.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(StatusCode.ERROR)
                raise

    def close(self) -> None:
        """Export what was recorded, in bounded time."""
        # OpenTelemetry itself would wait for as long as one export may take (10 s).
        export = Thread(target=self._provider.shutdown, daemon=True)
        export.start()
        export.join(EXPORT_TIMEOUT_SECONDS)


class RequestSpan:
    """The span of one request, from its head to the last byte of its response.

    Attributes:
        ids: trace id and span id, for the log line.
    """

    __slots__ = ("_span", "_token", "ids")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._token = context.attach(trace.set_span_in_context(span))
        own = span.get_span_context()
        self.ids = {
            "trace_id": trace.format_trace_id(own.trace_id),
            "span_id": trace.format_span_id(own.span_id),
        }

    def end(self, request_id: str, method: str, route: str, status: int) -> None:
        """End the span: the response has been sent."""
        context.detach(self._token)
        self._span.update_name(f"{method} {route}")
        self._span.set_attributes(
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
                "taskapi.request_id": request_id,
            }
        )
        if not status or status >= SERVER_ERROR:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def _remote(trace_id: str, span_id: str, sampled: bool) -> context.Context:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    parent = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(NonRecordingSpan(parent), context.Context())


def _resource() -> Resource:
    found = Resource.create({SERVICE_VERSION: __version__})
    if str(found.attributes[SERVICE_NAME]).startswith(UNNAMED):
        return found.merge(Resource({SERVICE_NAME: "taskapi"}))
    return found
