"""The page `/docs` and its files: from here alone, without a token, and left out if so set."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from support.calls import assert_refused
from support.service import client_for, settings_for
from support.wire import answer_to, head_of
from taskapi.database.url import DatabaseUrl
from taskapi.openapi.docs_page import integrity_of


class Links(HTMLParser):
    """Collects what a page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.feed(page)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value for name, value in attrs if name in {"src", "href"} and value]


def test_the_documentation_loads_from_here_alone(http: httpx.Client) -> None:
    page = http.get("/docs")
    loaded = Links(page.text).loaded
    assert len(loaded) >= 3
    for path in loaded:
        assert urlsplit(path)[:2] == ("", ""), "it stays at the page's host"
        assert not path.startswith("/"), "and below the page's prefix"
        assert http.get(urljoin("/docs", path)).status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy


@pytest.fixture(scope="module")
def undocumented(database: DatabaseUrl) -> Iterator[httpx.Client]:
    with client_for(settings_for(database, docs_enabled=False)) as client:
        yield client


@pytest.mark.parametrize(
    "path", ["/docs", "/openapi.json", "/docs/start.js", "/docs/assets/swagger-ui.css", "/redoc"]
)
def test_the_documentation_can_be_left_out(undocumented: httpx.Client, path: str) -> None:
    assert_refused(undocumented.get(path), 404, "route_not_found")


def test_without_documentation_the_index_does_not_name_it(undocumented: httpx.Client) -> None:
    assert not undocumented.get("/").json().keys() & {"documentation", "openapi"}


def test_the_page_gets_every_file_that_it_names(http: httpx.Client) -> None:
    named = re.findall(r'(?:href|src)="(.+?)"', http.get("/docs").text)
    assert len(named) == 4
    for path in named:
        assert http.get(path).status_code == 200, path
    first = http.get(named[0])
    again = http.get(named[0], headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


def test_the_page_names_the_digest_of_every_script_and_stylesheet(http: httpx.Client) -> None:
    page = http.get("/docs")
    named = re.findall(
        r'(?:href|src)="(\S+\.(?:js|css))" crossorigin\s+integrity="(.+?)"', page.text
    )
    assert len(named) == len(re.findall("<script|stylesheet", page.text)) == 3
    for path, digest in named:
        assert integrity_of(http.get(path).content) == digest
    assert page.headers["Integrity-Policy"] == "blocked-destinations=(script)"


@pytest.mark.parametrize(
    "path",
    [
        "/docs/assets/",
        "/docs/assets/%00",
        "/docs/assets/redoc.standalone.js",
        "/docs/assets/./swagger-ui.css",
        "/docs/assets//swagger-ui.css",
        "/docs/assets/docs/assets/swagger-ui.css",
        "/docs/assets/../../pyproject.toml",
        "/docs/assets/..%2f__init__.py",
        "/docs/assets/%2e%2e/__init__.py",
        "/docs/assets//etc/passwd",
    ],
)
def test_nothing_but_the_pages_own_files_is_served(http: httpx.Client, path: str) -> None:
    answer = answer_to(http, head_of("GET", path))
    assert answer.startswith(b"HTTP/1.1 404 ")
