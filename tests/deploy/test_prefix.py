"""Behind a proxy that serves everything below a prefix, and strips it: HAProxy."""

import socket
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from support.haproxy import Balancer, strip
from support.people import Person
from support.service import client_of, serving, settings_for
from taskapi.database.url import DatabaseUrl

PREFIX = "/a/backend"


@pytest.fixture(scope="module", params=["told", "untold"])
def base(
    request: pytest.FixtureRequest,
    database: DatabaseUrl,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Where clients reach a service that has been told of it by `PUBLIC_URL`, or not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}{PREFIX}"
        told = {"public_url": f"{base}/"} if request.param == "told" else {}
        with serving(settings_for(database, **told)) as service:
            port = urlsplit(service).port
            assert port is not None
            folder = tmp_path_factory.mktemp("prefix")
            with Balancer(folder, [port], listener, strip(PREFIX)).running():
                yield base


@pytest.fixture
def public(base: str) -> Iterator[httpx.Client]:
    with client_of(base) as http:
        yield http


only_told = pytest.mark.parametrize("base", ["told"], indirect=True)


@only_told
def test_location_leads_to_the_new_task(base: str, alice: Person, public: httpx.Client) -> None:
    made = Person(alice.id, alice.token, public).post(json={"title": "Buy milk"})
    assert made.headers["Location"] == f"{base}{alice.tasks}/{made.json()['id']}"
    assert follow(alice, made.headers["Location"]) == made.json()


@only_told
def test_links_lead_from_page_to_page(base: str, alice: Person, public: httpx.Client) -> None:
    for title in ("Buy milk", "Buy tea", "Buy bread"):
        alice.create(title)
    page = Person(alice.id, alice.token, public).get("?limit=1&sort=title&q=Buy")
    titles = []
    while True:
        titles += [task["title"] for task in page.json()["tasks"]]
        if "next" not in page.links:
            break
        url = page.links["next"]["url"]
        assert url.startswith(f"{base}{alice.tasks}?")
        page = httpx.get(url, headers=bearer(alice))
    assert titles == ["Buy bread", "Buy milk", "Buy tea"]


def test_every_link_of_the_index_stays_below_the_prefix(base: str, public: httpx.Client) -> None:
    index = public.get("/").json()
    for name in ("documentation", "openapi"):  # which this proxy passes
        assert httpx.get(urljoin(f"{base}/", index[name])).status_code == 200
    links = index.keys() - {"name", "version"}
    assert all(urljoin(f"{base}/", index[name]).startswith(f"{base}/") for name in links)


def test_the_documents_server_is_the_service(
    base: str, alice: Person, public: httpx.Client
) -> None:
    """Its URL is relative to that of the document (OpenAPI 3.1, 4.8.5)."""
    response = public.get("/openapi.json")
    [server] = response.json()["servers"]
    root = urljoin(str(response.url), server["url"]).rstrip("/")
    assert root == base
    assert follow(alice, f"{root}{alice.tasks}")["tasks"] == []


def bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


def follow(person: Person, url: str) -> dict[str, object]:
    """What is found at a URL."""
    response = httpx.get(url, headers=bearer(person))
    assert response.status_code == 200, url
    found: dict[str, object] = response.json()
    return found
