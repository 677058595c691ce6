"""Pages of other origins in Chromium, with fetch and the wrappers that people use.

They send what browsers' monitoring and shared wrappers add to each request, and credentials.
"""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver import Chrome

from support.browser import pages
from support.client_page import INSTALL, PACKAGES
from support.machine import ROOT, cannot
from support.people import Person
from support.service import client_of, serving, settings_for
from taskapi.database.url import DatabaseUrl
from taskapi.origins import check_origin

RUN = """
const [name, given, done] = arguments;
import("/page.mjs").then((page) => page[name](...given)).then(done, (e) => done(String(e)));
"""

WRAPPERS = ("fetch", "axios", "ky", "ofetch")

ALLOWED = ("http://localhost:{port}", "http://team.localhost:{port}")
"""By its own name, and by a `*` for its first label."""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where a page is served under several names of this machine, each of which is an origin."""
    if not (PACKAGES / "node_modules" / "axios").is_dir():
        cannot(f"axios, ky and ofetch are not installed: {INSTALL}")
    folder = tmp_path_factory.mktemp("pages")
    for name in ("page.html", "page.mjs", "packages/node_modules"):
        file = ROOT / "tests" / "clients" / name
        (folder / file.name).symlink_to(file)
    with pages(folder) as port:
        yield port


@pytest.fixture(scope="module")
def address(database: DatabaseUrl, port: int) -> Iterator[str]:
    """A service that some of these origins may call."""
    origins = f"http://localhost:{port},http://*.localhost:{port}"
    with serving(settings_for(database, cors_origins=origins, max_body_bytes=1024)) as address:
        yield address


class Page:
    """A page of an origin, which calls with a person's token."""

    def __init__(self, browser: Chrome, origin: str, person: Person) -> None:
        self._browser = browser
        self._person = person
        browser.get(f"{origin}/page.html")

    def call(self, wrapper: str, method: str, path: str = "", **options: object) -> dict[str, Any]:
        """What the page can read of the response."""
        url = f"{self._person.http.base_url}".rstrip("/") + self._person.tasks + path
        token = options.pop("token", self._person.token)
        result: dict[str, Any] = self._run("call", wrapper, method, url, token, options)
        return result

    def listen(self) -> str:
        """The beginning of the event stream."""
        url = f"{self._person.http.base_url}".rstrip("/") + self._person.tasks + "/events"
        text: str = self._run("listen", url, self._person.token)
        return text

    def _run(self, name: str, *given: object) -> Any:
        return self._browser.execute_async_script(RUN, name, given)


@pytest.fixture
def alice(alice: Person, address: str) -> Iterator[Person]:
    with client_of(address) as http:
        yield Person(alice.id, alice.token, http)


@pytest.mark.parametrize("origin", ALLOWED)
def test_a_page_of_an_allowed_origin_reads_all_that_it_needs(
    browser: Chrome, port: int, alice: Person, origin: str
) -> None:
    page = Page(browser, origin.format(port=port), alice)
    for number, wrapper in enumerate(WRAPPERS):
        key = {"idempotency-key": wrapper}
        made = page.call(wrapper, "POST", json={"title": wrapper}, headers=key)
        assert made["status"] == 201, (wrapper, made)
        task = json.loads(made["body"])
        tag = made["headers"]["etag"]
        assert made["headers"]["location"] == f"{alice.tasks}/{task['id']}"
        again = page.call(wrapper, "POST", json={"title": wrapper}, headers=key)
        assert again["headers"]["idempotency-replayed"] == "true"

        path = f"/{task['id']}"
        put = page.call(wrapper, "PUT", path, json={"title": "x"}, headers={"if-match": tag})
        assert put["status"] == 200
        lost = page.call(wrapper, "PATCH", path, json={"title": "y"}, headers={"if-match": tag})
        assert lost["status"] == 412
        assert lost["headers"]["etag"] == put["headers"]["etag"]
        listed = page.call(wrapper, "GET", "?limit=1")
        assert ('rel="next"' in listed["headers"].get("link", "")) == (number > 0)
        known = {"if-none-match": listed["headers"]["etag"]}
        assert page.call(wrapper, "GET", "?limit=1", headers=known)["status"] == 304

        refused = page.call(wrapper, "GET", token="nonsense")
        assert (refused["status"], json.loads(refused["body"])["code"]) == (401, "invalid_token")
        assert "www-authenticate" in refused["headers"]
        assert "x-request-id" in refused["headers"]
        assert page.call(wrapper, "POST", json={})["status"] == 422
        assert page.call(wrapper, "POST", json={"title": "x" * 2000})["status"] == 413
        assert page.call(wrapper, "GET", "/999999999")["status"] == 404
        assert page.call(wrapper, "HEAD", path)["status"] == 200
    assert "event: ready" in page.listen()


def test_a_page_of_another_origin_reads_nothing(browser: Chrome, port: int, alice: Person) -> None:
    page = Page(browser, f"http://127.0.0.1:{port}", alice)
    for wrapper in WRAPPERS:
        assert page.call(wrapper, "GET").keys() == {"failed"}
        assert page.call(wrapper, "POST", json={"title": wrapper}).keys() == {"failed"}
    assert "Failed to fetch" in page.listen()
    assert alice.get().json()["total"] == 0


# How a browser writes an origin

ORIGIN_OF = """
const origin = (text) => { try { return new URL(text).origin; } catch { return null; } };
return arguments[0].map(origin);
"""

HOSTS = (
    *("a.example", "A.example", "localhost", "my_host", "-a.b-", "a.b.", "a..b", "%61.b", "a:b@c"),
    *("9.a", "a.9", "a.0x", "a.0xg", "9", "1.2.3.4", "1.2.3.4.", "01.2.3.4", "127.1", "256.1.1.1"),
    *("[::1]", "[0::1]", "[::]", "[1:0:0:2:0:0:0:3]", "[1:0:0:2::3]", "[1::2::3]", "[fe80::1%25e]"),
    *("xn--bcher-kva.de", "b\u00fccher.de", "a\u3002b", "\uff11.2.3.4", "a\u00adb.c"),
)
PORTS = ("", ":", ":0", ":80", ":080", ":443", ":8080", ":65535", ":65536", ":+80", ":\uff18")


def test_an_origin_that_chromium_writes_otherwise_cannot_be_listed(browser: Chrome) -> None:
    made = itertools.product(("http", "https", "HTTP"), HOSTS, PORTS, ("", "/", "?"))
    texts = [f"{scheme}://{host}{port}{end}" for scheme, host, port, end in made]
    written = browser.execute_script(ORIGIN_OF, texts)
    listable = [(text, origin) for text, origin in zip(texts, written, strict=True) if fits(text)]
    assert len(listable) > 50
    assert [(text, origin) for text, origin in listable if text != origin] == []


def fits(text: str) -> bool:
    """Whether a setting may list this."""
    try:
        check_origin(text)
    except ValueError:
        return False
    return True
