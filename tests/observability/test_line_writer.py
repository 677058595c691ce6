"""Lines of requests are written once for a turn of the event loop, none lost or out of order."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import partial
from io import StringIO

import httpx
import pytest
import structlog

from support.people import SECRET
from support.programs import run_script
from taskapi.app import create_app
from taskapi.config import Settings
from taskapi.observability import logs
from taskapi.observability.logs import LineWriter, configure_logs

SECRETS = {"better_auth_secret": SECRET, "database_url": "postgresql://host/db"}


class Stream(StringIO):
    """Remembers each write: a system call, where the stream is a file."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return super().write(text)


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def logging_of_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Afterwards, logging is as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    of_uvicorn, configured = logging.getLogger("uvicorn.error").level, structlog.get_config()
    monkeypatch.setattr(logs, "request_lines", None)
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(of_uvicorn)
    structlog.configure(**configured)


def test_the_lines_of_a_turn_are_one_write(stream: Stream) -> None:
    async def turns() -> None:
        writer = LineWriter(stream)
        for turn in "ab":
            for line in "12":
                writer.write_soon(turn + line)
            assert stream.writes == ["a1\na2\n"] * (turn == "b")
            await asyncio.sleep(0)

    asyncio.run(turns())
    assert stream.writes == ["a1\na2\n", "b1\nb2\n"]


def one_turn(*steps: Callable[[], None]) -> None:
    """A loop that is stopped before its second turn."""
    loop = asyncio.new_event_loop()
    for step in (*steps, loop.stop):
        loop.call_soon(step)
    loop.run_forever()
    loop.close()


def test_another_line_takes_those_along_that_wait(stream: Stream) -> None:
    writer = LineWriter(stream)
    one_turn(
        partial(writer.write_soon, "first"),
        partial(writer.write, "second\n"),
        writer.flush,
        partial(writer.write_soon, "third"),
    )
    assert stream.getvalue() == "first\nsecond\n"


def test_what_a_loop_has_left_is_written_by_the_next_one(stream: Stream) -> None:
    writer = LineWriter(stream)
    one_turn(partial(writer.write_soon, "first"))
    assert stream.writes == []

    async def turns() -> None:
        writer.write_soon("second")
        await asyncio.sleep(0)

    asyncio.run(turns())
    assert stream.getvalue() == "first\nsecond\n"


def test_a_stream_that_fails_keeps_no_line(stream: Stream) -> None:
    """Such as a file on a full disk: its lines must not fill the memory too."""
    writer = LineWriter(stream)
    writer.write("lost\n")
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        writer.flush()
    writer.flush()


@pytest.mark.parametrize("level", ["info", "warning"])
def test_requests_that_end_together_are_one_write(
    stream: Stream, level: str, logging_of_tests: None
) -> None:
    told = SECRETS | {"log_format": "json", "log_level": level}
    with redirect_stdout(stream):
        app = create_app(Settings.model_validate(told))

    async def ask() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            await asyncio.gather(*(http.get("/livez") for _ in range(10)))
        await asyncio.sleep(0)

    asyncio.run(ask())
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["route"] for line in lines] == ["/livez"] * 10 * (level == "info")
    assert len(stream.writes) < 5


def test_lines_for_people_are_events_like_any_other(stream: Stream, logging_of_tests: None) -> None:
    with redirect_stdout(stream):
        configure_logs(Settings.model_validate(SECRETS | {"log_format": "console"}))
    assert logs.request_lines is None
    structlog.get_logger("taskapi.test").info("request", status=200)
    assert "request" in stream.getvalue()


LAST_LINE = """
from support.people import SECRET
from taskapi.config import Settings
from taskapi.observability import logs

logs.configure_logs(Settings.model_validate({"better_auth_secret": SECRET, "log_format": "json"}))
logs.request_lines.write("the last line")
"""


def test_a_process_that_ends_writes_what_waits() -> None:
    assert run_script(LAST_LINE).stdout == "the last line"
