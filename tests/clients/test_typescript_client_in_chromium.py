"""The TypeScript client as a page of another origin loads it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from support.browser import pages
from support.people import Person
from support.service import client_of, serving, settings_for
from support.typescript_client import built
from support.waiting import eventually
from taskapi.database.url import DatabaseUrl

PAGE = Path(__file__).with_name("typescript-page.mjs")

RUN = """
const [name, given, done] = arguments;
import("/page.mjs").then((page) => page[name](...given)).then(done, (e) => done(String(e)));
"""


@pytest.fixture
def origin(tmp_path: Path, alice: Person) -> Iterator[str]:
    """Where a page is that loads the client's files, and a folder in place of the API."""
    (tmp_path / alice.tasks.removeprefix("/")).mkdir(parents=True)
    (tmp_path / "dist").symlink_to(built() / "dist")
    (tmp_path / "page.mjs").symlink_to(PAGE)
    (tmp_path / "page.html").write_text("<!doctype html><title>A page</title>")
    with pages(tmp_path) as port:
        yield f"http://localhost:{port}"


@pytest.fixture
def caller(alice: Person, database: DatabaseUrl, origin: str) -> Iterator[Person]:
    """Alice, at a service that this origin may call."""
    with (
        serving(settings_for(database, cors_origins=origin)) as address,
        client_of(address) as http,
    ):
        yield Person(alice.id, alice.token, http)


def test_a_page_uses_the_client_and_follows_changes_through_an_outage(
    browser: Chrome, origin: str, caller: Person
) -> None:
    def run(name: str, *given: object) -> Any:
        return browser.execute_async_script(RUN, name, given)

    def in_step(*titles: str) -> None:
        eventually(lambda: sorted(run("look")["titles"]) == sorted(titles), f"it has {titles}")

    browser.get(f"{origin}/page.html")
    assert run("use", f"{caller.http.base_url}", caller.token) == {
        "listed": True,
        "conflict": "Buy oat milk",
        "refusal": ["validation_failed", ["title"], 32],
        "redirect": "not_a_response_of_the_api",
        "away": "network",
    }
    run("follow")
    in_step("Buy oat milk")
    caller.create("Buy tea")
    in_step("Buy oat milk", "Buy tea")

    browser.set_network_conditions(offline=True, latency=0, throughput=-1)
    eventually(lambda: run("look")["told"][-1] == "offline", "it notices that it is offline")
    caller.create("Buy jam")
    browser.set_network_conditions(offline=False, latency=0, throughput=-1)
    in_step("Buy oat milk", "Buy tea", "Buy jam")
    assert run("leave") == "closed"
