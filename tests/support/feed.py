"""Clients of the changes feed: copies of a user's tasks, kept by pages, waiting or events."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

from support.people import Person

Json = dict[str, Any]


class Event(NamedTuple):
    """A server-sent event; a comment has the name `comment`, and `retry` that."""

    name: str
    id: str | None
    data: str

    @property
    def page(self) -> Json:
        """The data of `changes`."""
        page: Json = json.loads(self.data)
        return page


def changes(person: Person, since: str | None = None, **query: object) -> httpx.Response:
    """A page of the feed."""
    asked = {"since": since, **query}
    params = {name: value for name, value in asked.items() if value is not None}
    return person.get("/changes", params=params)


def waited(person: Person, since: str, seconds: object) -> httpx.Response:
    """A page of the feed, waited for."""
    headers = {"Prefer": f"wait={seconds}"}
    return person.get("/changes", params={"since": since}, headers=headers)


def token_of_now(person: Person) -> str:
    """The token of somebody who has everything."""
    page = changes(person, limit=1000).json()
    assert not page["has_more"]
    token: str = page["next"]
    return token


def ids(page: Json) -> list[int]:
    """The ids of a page's changes, in their order."""
    return [change["id"] for change in page["changes"]]


class Copy:
    """A copy of a user's tasks, kept in step by their feed.

    Attributes:
        since: the token of the last page.
        tasks: by id.
    """

    def __init__(self) -> None:
        self.since: str | None = None
        self.tasks: dict[int, Json] = {}

    def apply(self, page: Json) -> None:
        """Apply a page."""
        for change in page["changes"]:
            if change["task"] is None:
                self.tasks.pop(change["id"], None)
            else:
                self.tasks[change["id"]] = change["task"]
        self.since = page["next"]


def everything(person: Person) -> dict[int, Json]:
    """All tasks of a user, as the list has them."""
    found: dict[int, Json] = {}
    cursor = None
    while True:
        page = person.get(params={"cursor": cursor} if cursor else {}).json()
        found |= {task["id"]: task for task in page["tasks"]}
        cursor = page["next_cursor"]
        if cursor is None:
            return found


@contextmanager
def listening(
    person: Person, query: str = "", headers: Mapping[str, str] | None = None
) -> Iterator[Iterator[Event]]:
    """The events of a stream; comments too."""
    headers = {"Authorization": f"Bearer {person.token}", **(headers or {})}
    url = f"{person.tasks}/events{query}"
    with person.http.stream("GET", url, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield events_of(response)


def events_of(response: httpx.Response) -> Iterator[Event]:
    """The events in a response (WHATWG HTML, 9.2.6)."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name or "comment"] = value.removeprefix(" ")
        elif fields:
            name = fields.get("event") or next(iter(fields))
            yield Event(name, fields.get("id"), fields.get("data", ""))
            fields = {}


def next_event(events: Iterator[Event], name: str) -> Event:
    """The next event of this name; only comments may come before it."""
    for event in events:
        if event.name == name:
            return event
        assert event.name in {"comment", "retry"}, event
    raise AssertionError(f"the stream ended before {name}")


def until_end(events: Iterator[Event]) -> list[Event]:
    """The events that still come."""
    return [event for event in events if event.name not in {"comment", "retry"}]
