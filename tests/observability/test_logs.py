"""The logs of a service that strangers talk to: no line is theirs, and no secret is in them.

In processes of their own, as `taskapi serve`, with everything logged, in both formats.
"""

import asyncio
import json
import os
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

import asyncpg
import pytest

from support.people import SECRET, Person, token_for
from support.programs import ADDRESS, READY, run_script, started
from support.service import as_service, client_of, prepare
from support.wire import connected, exchange, request
from taskapi.database.url import DatabaseUrl

LAST = "Connection: close"
JSON = "Content-Type: application/json"

DISPLAY = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What ends a line, moves a cursor, or turns a text round."""

LINE = {
    "json": re.compile(r'\{.*"event": "(?P<event>[^"]*)".*"level": "(?P<level>[a-z]+)".*\}'),
    "console": re.compile(r"\d{4}-\S+Z \[(?P<level>[a-z]+) *\] (?P<event>.*?)(  .*)?"),
}
BANNER = re.compile(r"|taskapi \S+|  (database|URL|docs) +\S+|  unwise +(issuer|audience): .+")

HOSTILE = (
    'admin" status=200 user="root',
    "admin' status=200 user='root",
    '"}\\n{"event": "request"}',
    "2026-01-01T00:00:00Z [info     ] request",
    "\\n\\r\\x1b[2J",
    "%0d%0arequest",
    "\u202egnp.exe",
    "\u2066\u200f\ufeff",
    "😈\ud7ff\uffff",
)
"""Ids that an auth server might let somebody choose. Those with control characters are 401."""

LEAVER = "leaver"

TITLE = "a title that is nobody else's business"
DESCRIPTION, SEARCH, KEY, COOKIE = "the-secret-plan", "words-of-a-search", "key-of-a", "cookie-of-a"


class Told(NamedTuple):
    """What a service printed in which format, and how many requests it was sent to their end."""

    style: str
    lines: list[str]
    requests: int

    def events(self) -> list[re.Match[str]]:
        """All lines but those of the banner. Any other ends the test."""
        found = [LINE[self.style].fullmatch(line) for line in self.lines]
        for line, event in zip(self.lines, found, strict=True):
            assert event or BANNER.fullmatch(line), line
        return [event for event in found if event]

    def requested(self) -> list[str]:
        """The lines of the requests that were sent to their end."""
        lines = [event[0] for event in self.events() if event["event"] == "request"]
        return [line for line in lines if LEAVER not in line]


@pytest.fixture(scope="module")
def text_database(database: DatabaseUrl) -> Iterator[DatabaseUrl]:
    """A database whose user ids are text, on the server that all tests share."""
    name = f"logs_{os.getpid()}"
    asyncio.run(_run_sql(database, f"CREATE DATABASE {name}"))
    address = DatabaseUrl(database.dsn.replace("/postgres?", f"/{name}?"), pooler=False)
    prepare(address, user_id_type="text")
    yield address
    asyncio.run(_run_sql(database, f"DROP DATABASE {name} WITH (FORCE)"))


async def _run_sql(database: DatabaseUrl, sql: str) -> None:
    connection = await asyncpg.connect(database.dsn)
    await connection.execute(sql)
    await connection.close()


@pytest.fixture(scope="module", params=LINE)
def told(
    request: pytest.FixtureRequest,
    text_database: DatabaseUrl,
    tmp_path_factory: pytest.TempPathFactory,
) -> Told:
    """Everything that a service printed while strangers talked to it."""
    settings = {
        "API_HOST": "127.0.0.1",
        "BETTER_AUTH_SECRET": SECRET,
        "CREATE_UNKNOWN_USERS": True,
        "DATABASE_URL": as_service(text_database).dsn,
        "LOG_FORMAT": request.param,
        "LOG_LEVEL": "debug",
        "USER_ID_TYPE": "text",
    }
    folder = tmp_path_factory.mktemp("logs")
    with started("taskapi", "serve", "--port", 0, folder=folder, settings=settings) as service:
        address = service.wait_for(ADDRESS)["url"]
        service.wait_for(READY)
        with client_of(address) as http:
            people = [Person(user, token_for(user), http) for user in (*HOSTILE, LEAVER)]
            leave(people.pop())
            count = sum(map(visit, people)) + molest(people[0])
        service.end()
        return Told(request.param, service.lines, count)


def visit(person: Person) -> int:
    """Do a bit of everything, right and wrong; how many requests that took."""
    tasks = f"/api/{quote(person.id, safe='')}/tasks"
    body = {"title": TITLE, "description": DESCRIPTION}
    headers = {"Idempotency-Key": KEY, "Cookie": f"session={COOKIE}"}
    answers = [
        person.request("POST", tasks, json=body, headers=headers),
        person.request("POST", tasks, json=body | {"description": "x"}, headers=headers),
        person.request("GET", f"{tasks}?q={SEARCH}"),
        person.request("GET", f"{tasks}?{SEARCH}={SEARCH}"),
        person.request("GET", f"{tasks}/{SEARCH}"),
        person.request("POST", tasks, content=f'{{"title": "{TITLE}"'),
        person.request("POST", f"{tasks}/batch", json={"operations": [{"op": TITLE}]}),
        person.request("GET", f"/api/{SEARCH}/tasks"),
        person.http.get(tasks, headers={"Authorization": f"Bearer {person.token}x"}),
        person.http.get(tasks, headers={"Authorization": f"Basic {person.token}"}),
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [201, 422, 200, 422, 422, 415, 422, 403, 401, 401]
    return len(answers)


def molest(person: Person) -> int:
    """Send what no client would; how many requests that makes."""
    token = f"Authorization: Bearer {person.token}"
    tasks = f"/api/{quote(person.id, safe='')}/tasks"
    forged = "%0d%0aforged%1b[2J%00%e2%80%ae%c2%85"
    sent = [
        request("GET", f"/{forged}", LAST),
        request("GET", f"/api/{forged}/tasks", token, LAST),
        request("GET", f"{tasks}/{forged}?{forged}={forged}", token, LAST),
        request("GET", "/livez", f"X-Request-ID: \x80\x9b\x85{forged}", LAST),
        request("GET", "/livez", "User-Agent: \x9b2J", "Referer: \x85forged", LAST),
        request("GET", "/livez", f"traceparent: {forged}", f"tracestate: {forged}", LAST),
        request("PROPFIND", tasks, token, LAST),
        request("FORGED", tasks, token, LAST),
        request("GET", "/\x1b[2Jforged", LAST),
        request("GET", "/livez", "X: a\nforged\x1b[2J", LAST),
        request("G\x1bT", "/forged", LAST),
        request("POST", tasks, token, JSON, LAST, body=b'{"title": "\\u001b[2J\\nforged"}'),
    ]
    for each in sent:
        [_] = exchange(person.http, each)
    return len(sent)


def leave(person: Person) -> None:
    """Ask for much, and be gone before the answers."""
    for _ in range(10):
        with connected(person.http) as wire:
            wire.send(request("GET", person.tasks, f"Authorization: Bearer {person.token}") * 20)


def test_no_line_has_anything_in_it_that_ends_it_or_moves_a_cursor(told: Told) -> None:
    for line in told.lines:
        assert not DISPLAY.search(line), ascii(line)


def test_every_request_has_one_line_and_no_line_is_forged(told: Told) -> None:
    assert len(told.requested()) == told.requests
    assert not [line for line in told.lines if "forged" in line]


def test_who_asked_is_logged_as_one_value(told: Told) -> None:
    form = {"json": json.dumps, "console": repr}[told.style]
    for user in HOSTILE:
        assert [line for line in told.requested() if form(user) in line], user


def test_no_token_secret_or_content_is_logged_at_any_level(told: Told) -> None:
    output = "\n".join(told.lines)
    for private in (SECRET, "eyJ", TITLE, DESCRIPTION, SEARCH, KEY, COOKIE):
        assert private not in output


def test_nothing_that_strangers_send_or_do_not_wait_for_is_an_error_of_ours(told: Told) -> None:
    for event in told.events():
        assert event["level"] in {"debug", "info"}, event[0]
        assert not re.search(r'status("|=).*\b5\d\d\b', event[0])


BUG = """
import asyncio
import logging
import sys
import httpx
from support.people import SECRET
from taskapi.app import create_app
from taskapi.config import Settings
from taskapi.edge.route import Route

HOSTILE = "\\x1b[2J\\r\\n2026-01-01T00:00:00Z [info     ] forged\\u202e\\x85"

async def bug() -> dict:
    raise RuntimeError(HOSTILE)

async def ask():
    told = {"better_auth_secret": SECRET, "database_url": "postgresql://host/db"}
    app = create_app(Settings.model_validate(told | {"log_format": sys.argv[1]}))
    app.router.routes.append(Route("/bug", bug, method="GET"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        await http.get("/bug")
    logging.getLogger("uvicorn.error").warning("said by a library: %s", HOSTILE)

asyncio.run(ask())
"""


@pytest.mark.parametrize("style", LINE)
def test_the_words_of_an_exception_cannot_forge_a_line_either(style: str) -> None:
    """Somebody's text may stand in them. A traceback has lines of its own, all indented."""
    output = run_script(BUG, style).stdout
    assert "RuntimeError" in output
    for line in output.split("\n"):
        assert not DISPLAY.search(line), ascii(line)
        assert LINE[style].fullmatch(line) or line.startswith("    ") or not line, line
    assert len(re.findall(r"^\S.*forged", output, re.MULTILINE)) == (2 if style == "json" else 1)
