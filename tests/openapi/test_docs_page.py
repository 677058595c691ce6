"""`/docs` in a browser, as a person uses it: authorize, try it out, and nothing leaves the origin.

FR-018, SC-005. The browser runs the page under the page's own Content-Security-Policy; whatever the
policy blocks, the browser reports on its console, and any such line fails the test.
"""

import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import element_to_be_clickable
from selenium.webdriver.support.wait import WebDriverWait

from support.haproxy import Balancer, strip
from support.people import Person
from support.service import serving, settings_for
from support.waiting import PATIENCE
from taskapi.database.url import DatabaseUrl
from taskapi.openapi import docs_page
from taskapi.openapi.assets import ASSETS, asset_file

OWN = {"chrome", "data"}
"""What is no request: the browser's own pages, and pictures that stand in a page."""


class Page:
    """What is on the page, found as a person finds it."""

    def __init__(self, browser: Chrome, address: str) -> None:
        self._browser = browser
        self._wait = WebDriverWait(browser, PATIENCE)
        self.requested()  # what the pages before this one did
        self.complaints()
        browser.get(address)

    def click(self, selector: str) -> None:
        """Click on what becomes clickable."""
        element = self._wait.until(element_to_be_clickable((By.CSS_SELECTOR, selector)))
        self._browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def type(self, selector: str, text: str) -> None:
        """Replace the text of a field."""
        field = self._wait.until(element_to_be_clickable((By.CSS_SELECTOR, selector)))
        field.clear()
        field.send_keys(text)

    def find(self, selector: str) -> WebElement:
        """What is, or will be, on the page."""
        return self._wait.until(lambda page: page.find_element(By.CSS_SELECTOR, selector))

    def authorize(self, token: str) -> None:
        """Give the page a token."""
        self.click(".auth-wrapper > .authorize")
        self.type(".auth-container input", token)
        self.click(".auth-container .auth.authorize")
        self.click(".auth-container .btn-done")

    def try_out(self, method: str, user_id: str) -> int:
        """Execute an operation on all tasks, with the body that the page offers as an example.

        Gives the status that the page then shows.
        """
        block = f".opblock-{method}:has([data-path='/api/{{user_id}}/tasks'])"
        self.click(f"{block} .opblock-summary-control")
        self.type(f"{block} [data-param-name=user_id] input", user_id)
        self.click(f"{block} .execute")
        shown = self.find(f"{block} .live-responses-table tbody .response-col_status")
        return int(shown.text.split()[0])

    def requested(self) -> set[str]:
        """Everything that the browser asked for so far."""
        entries = (json.loads(line["message"])["message"] for line in self._log("performance"))
        sent = (entry for entry in entries if entry["method"] == "Network.requestWillBeSent")
        urls = {entry["params"]["request"]["url"] for entry in sent}
        return {url for url in urls if urlsplit(url).scheme not in OWN}

    def run(self, script: str) -> None:
        """Run a script as the page would."""
        self._browser.execute_script(script)

    def complaint(self) -> str:
        """What the browser's console shows next."""
        return "\n".join(self._wait.until(lambda _: self.complaints()))

    def complaints(self) -> list[str]:
        """What the browser's console shows: errors, and what the page's policy blocked."""
        return [line["message"] for line in self._log("browser")]

    def _log(self, name: str) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = self._browser.get_log(name)  # type: ignore[no-untyped-call]  # Selenium leaves it untyped
        return lines

    def picture(self, file: Path) -> None:
        """Keep a picture of the page, for people."""
        self._browser.save_screenshot(file)


def test_the_page_authorizes_and_tries_out(
    browser: Chrome, service: str, alice: Person, tmp_path: Path
) -> None:
    page = Page(browser, f"{service}/docs")
    page.authorize(alice.token)
    assert page.try_out("post", alice.id) == 201
    assert page.try_out("get", alice.id) == 200
    page.picture(tmp_path / "docs.png")
    assert [task["title"] for task in alice.get().json()["tasks"]] == ["Buy milk"]
    assert page.complaints() == []
    assert all(url.startswith(f"{service}/") for url in page.requested())


def test_the_page_works_below_a_prefix_that_a_proxy_strips(
    browser: Chrome, service: str, alice: Person, tmp_path: Path
) -> None:
    """Of which the service knows nothing."""
    port = urlsplit(service).port
    assert port is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = f"http://127.0.0.1:{listener.getsockname()[1]}/some/backend"
        with Balancer(tmp_path, [port], listener, strip("/some/backend")).running():
            page = Page(browser, f"{proxy}/docs")
            page.authorize(alice.token)
            assert page.try_out("post", alice.id) == 201
            assert page.try_out("get", alice.id) == 200
            assert page.complaints() == []
            requested = page.requested()
    assert f"{proxy}/openapi.json" in requested
    assert f"{proxy}{alice.tasks}" in requested
    assert [url for url in requested if not url.startswith(f"{proxy}/")] == []


def test_the_page_shows_a_refusal_without_a_token(
    browser: Chrome, service: str, alice: Person
) -> None:
    """The browser's console names every 401 by itself; nothing else may stand there."""
    page = Page(browser, f"{service}/docs")
    assert page.try_out("get", alice.id) == 401
    assert all("401" in complaint for complaint in page.complaints())


def test_the_policy_of_the_page_keeps_it_to_its_origin(browser: Chrome, service: str) -> None:
    page = Page(browser, f"{service}/docs")
    page.find(".information-container")
    page.run("new Image().src = 'http://elsewhere.example/'")
    assert "Content Security Policy" in page.complaint()


@pytest.mark.parametrize("name", ["swagger-ui-bundle.js", "swagger-ui.css"])
def test_a_browser_refuses_another_file_than_the_listed_one(
    browser: Chrome,
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    database: DatabaseUrl,
) -> None:
    """Were the package's file replaced, by a release or by somebody."""
    original = asset_file(name)
    (tmp_path / original.name).write_bytes(original.read_bytes() + b"\n")
    monkeypatch.setattr(docs_page, "asset_file", lambda asked: tmp_path / ASSETS[asked].file)
    for other in ASSETS.keys() - {name}:
        (tmp_path / ASSETS[other].file).write_bytes(asset_file(other).read_bytes())
    with serving(settings_for(database)) as address:
        page = Page(browser, f"{address}/docs")
        assert "integrity" in page.complaint()


def test_a_browser_refuses_a_script_without_a_digest(browser: Chrome, service: str) -> None:
    page = Page(browser, f"{service}/docs")
    page.find(".information-container")
    page.run(
        "const script = document.createElement('script');"
        "script.onload = () => console.error('loaded');"
        "script.onerror = () => console.error('refused');"
        "script.src = '/docs/start.js?again';"
        "document.head.append(script)"
    )
    assert "refused" in page.complaint()
