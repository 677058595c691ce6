"""Trace context in and out (W3C), and spans for those who collect them."""

import gzip
import subprocess
import sys
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from support.people import Person
from support.waiting import eventually
from taskapi.observability import tracing
from taskapi.observability.spans import Spans
from taskapi.observability.tracing import Caller, caller_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

ACCEPTED = {
    "sampled": (f"00-{TRACE}-{SPAN}-01", True),
    "not sampled": (f"00-{TRACE}-{SPAN}-00", False),
    "flags of later versions": (f"00-{TRACE}-{SPAN}-03", True),
    "a later version": (f"01-{TRACE}-{SPAN}-01", True),
    "a later version that says more": (f"cc-{TRACE}-{SPAN}-01-more", True),
}

REFUSED = {
    "empty": "",
    "rubbish": "rubbish",
    "forbidden version": f"ff-{TRACE}-{SPAN}-01",
    "this version saying more": f"00-{TRACE}-{SPAN}-01-more",
    "a later version run on": f"01-{TRACE}-{SPAN}-01more",
    "trace of zeros": f"00-{'0' * 32}-{SPAN}-01",
    "span of zeros": f"00-{TRACE}-{'0' * 16}-01",
    "capitals": f"00-{TRACE.upper()}-{SPAN}-01",
    "short trace": f"00-{TRACE[1:]}-{SPAN}-01",
    "short span": f"00-{TRACE}-{SPAN[1:]}-01",
    "no flags": f"00-{TRACE}-{SPAN}",
    "line after it": f"00-{TRACE}-{SPAN}-01\n",
    "not hexadecimal": f"00-{'g' * 32}-{SPAN}-01",
}


NOWHERE = "http://127.0.0.1:1"


class Collector(HTTPServer):
    """Keeps what it is sent."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.received: list[tuple[str, bytes]] = []


class Receiver(BaseHTTPRequestHandler):
    """Takes one message."""

    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        self.server.received.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - http.server's name
        """Nothing."""


@pytest.mark.parametrize(("header", "sampled"), ACCEPTED.values(), ids=ACCEPTED)
def test_a_callers_trace_is_read(header: str, sampled: bool) -> None:
    assert caller_of(header.encode()) == Caller(TRACE, SPAN, sampled)


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED)
def test_a_header_that_breaks_a_rule_is_not_believed(header: str) -> None:
    assert caller_of(header.encode()) is None


@pytest.fixture
def recorded() -> Iterator[InMemorySpanExporter]:
    """The spans of the service, which runs in this very process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.spans = Spans(provider)
    yield exporter
    tracing.spans = None
    provider.shutdown()


def test_a_statement_is_a_span_within_that_of_its_request(
    recorded: InMemorySpanExporter, alice: Person
) -> None:
    alice.create()  # the first write of a user takes more statements than one
    _finished(recorded)
    recorded.clear()
    alice.create("nobody else's business")
    statement, request = _finished(recorded)
    assert (request.kind, statement.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert request.name == "POST /api/{user_id}/tasks"
    assert request.parent is None
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 201
    assert request.attributes["taskapi.request_id"]
    assert statement.parent is not None
    assert request.context is not None
    assert statement.parent.span_id == request.context.span_id
    assert statement.attributes is not None
    assert "INSERT INTO tasks" in str(statement.attributes["db.query.text"])


def test_no_span_says_what_a_user_wrote_or_sent(
    recorded: InMemorySpanExporter, alice: Person
) -> None:
    alice.create("nobody else's business")
    told = "".join(span.to_json() for span in _finished(recorded))
    assert "business" not in told
    assert alice.token not in told
    assert alice.id not in told


def test_a_trace_goes_on_here(recorded: InMemorySpanExporter, alice: Person) -> None:
    alice.get(headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
    spans = _finished(recorded)
    assert len(spans) == 2
    for span in spans:
        assert span.context is not None
        assert f"{span.context.trace_id:032x}" == TRACE
    assert spans[-1].parent is not None
    assert f"{spans[-1].parent.span_id:016x}" == SPAN
    assert spans[-1].parent.is_remote


def test_what_the_caller_does_not_sample_is_not_recorded(
    recorded: InMemorySpanExporter, alice: Person
) -> None:
    alice.get(headers={"traceparent": f"00-{TRACE}-{SPAN}-00"})
    alice.get()  # which ends later, and is recorded
    told = {span.context.trace_id for span in _finished(recorded) if span.context}
    assert len(told) == 1
    assert int(TRACE, 16) not in told


def test_a_new_trace_begins_where_the_header_is_wrong(
    recorded: InMemorySpanExporter, alice: Person
) -> None:
    alice.get(headers={"traceparent": REFUSED["trace of zeros"]})
    request = _finished(recorded)[-1]
    assert request.parent is None


def test_a_refusal_is_no_error_of_the_service(
    recorded: InMemorySpanExporter, alice: Person
) -> None:
    assert alice.http.get(alice.tasks).status_code == 401
    [request] = _finished(recorded)
    assert request.status.status_code is StatusCode.UNSET


def test_a_statement_that_fails_is_an_error_without_its_words(
    recorded: InMemorySpanExporter,
) -> None:
    """PostgreSQL quotes what a user wrote: `Key (title)=(…) already exists`."""
    assert tracing.spans is not None
    with pytest.raises(ValueError, match="business"), tracing.spans.statement("SELECT 1"):
        raise ValueError("nobody else's business")
    [failed] = recorded.get_finished_spans()
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "ValueError"
    assert "business" not in failed.to_json()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """What spans are sent to, over HTTP."""
    collector = Collector(("127.0.0.1", 0), Receiver)
    thread = Thread(target=collector.serve_forever)
    thread.start()
    yield collector
    collector.shutdown()
    thread.join()
    collector.server_close()


def test_spans_go_where_the_environment_says(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    with tracing.exported():
        assert tracing.spans is not None
        tracing.spans.request(None).end("an id", "GET", "/livez", 200)
    assert tracing.spans is None
    [(path, body)] = collector.received
    assert path == "/v1/traces"
    assert b"GET /livez" in body
    assert b"service.name" in body
    assert b"unknown_service" not in body


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": NOWHERE},
    ],
)
def test_spans_are_off_unless_they_are_asked_for(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with tracing.exported():
        assert tracing.spans is None


def test_the_service_starts_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", NOWHERE)
    # As if it could not be imported.
    monkeypatch.setitem(sys.modules, "taskapi.observability.spans", None)
    with tracing.exported():
        assert tracing.spans is None


def test_opentelemetry_is_not_even_imported_by_default() -> None:
    loaded = "import sys, taskapi.cli; sys.exit('opentelemetry.sdk' in sys.modules)"
    subprocess.run([sys.executable, "-c", loaded], check=True)


def _finished(recorded: InMemorySpanExporter) -> Sequence[ReadableSpan]:
    """All spans in the order of their ends: that of the request is last, after its response."""
    eventually(lambda: _is_over(recorded.get_finished_spans()), "the request's span has ended")
    return recorded.get_finished_spans()


def _is_over(spans: Sequence[ReadableSpan]) -> bool:
    return bool(spans) and spans[-1].kind is SpanKind.SERVER
