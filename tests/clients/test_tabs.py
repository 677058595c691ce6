"""The queue and the stream of the TypeScript client in tabs of Chromium, with its IndexedDB."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.background import Background
from support.network import Network
from support.people import Person
from support.service import client_of, serving, settings_for
from support.tabs import Browser, Tab, origin
from support.waiting import eventually
from taskapi.database.url import DatabaseUrl


class Service:
    """A service that can be stopped and started again at its address."""

    def __init__(self, database: DatabaseUrl, page: int) -> None:
        self._settings = settings_for(
            database, cors_origins=f"http://localhost:{page},http://127.0.0.1:{page}"
        )
        self._port: int = 0
        self._running = ExitStack()

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self.address = self._running.enter_context(serving(self._settings, listener))

    def stop(self) -> None:
        self._running.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tabs")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with origin(tmp_path_factory.mktemp("page")) as port:
        yield port


@pytest.fixture(scope="module")
def chrome(folder: Path, port: int) -> Iterator[Browser]:
    with Browser(folder, port).running() as browser:
        yield browser


@pytest.fixture(scope="module")
def upstream(database: DatabaseUrl, port: int) -> Iterator[Service]:
    service = Service(database, port)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def alice(alice: Person, upstream: Service) -> Iterator[Person]:
    with client_of(upstream.address) as http:
        yield Person(alice.id, alice.token, http)


@pytest.fixture
def network(background: Background, upstream: Service) -> Iterator[Network]:
    with Network(background, upstream.address).running() as network:
        yield network


@pytest.fixture
def tab(chrome: Browser, alice: Person, network: Network) -> Callable[[], Tab]:
    """Opens a tab of Alice's."""
    return lambda: chrome.open(alice, network.url)


def titles(person: Person) -> list[str]:
    return sorted(task["title"] for task in person.get().json()["tasks"])


def test_tabs_add_and_send_at_once_and_see_the_same(
    alice: Person, tab: Callable[[], Tab], network: Network
) -> None:
    tabs = [tab(), tab()]
    network.cut()
    for number, each in enumerate(tabs):
        each.create(*(f"{number}-{count}" for count in range(5)))
    everything = sorted(f"{number}-{count}" for number in range(2) for count in range(5))
    for each in tabs:
        each.comes_to(shown=everything, error="network")
    network.mend()
    for each in tabs:
        each.comes_to(pending=0, shown=[])
    assert titles(alice) == everything
    for each in tabs:
        assert sorted(each.state["settled"]) == everything


def test_another_tab_sends_what_a_tab_was_killed_over(
    alice: Person, tab: Callable[[], Tab], network: Network
) -> None:
    first, second = tab(), tab()
    first.create("Buy jam")
    first.comes_to(pending=0)  # and the answer to the preflight is known
    network.loses_answers = True
    first.create("Buy milk")
    eventually(lambda: "Buy milk" in titles(alice), "the request is executed")
    first.create("Buy tea")
    second.comes_to(pending=2)
    network.mend()
    first.close()
    second.comes_to(pending=0)
    assert titles(alice) == ["Buy jam", "Buy milk", "Buy tea"]


def test_without_a_network_everything_waits(alice: Person, tab: Callable[[], Tab]) -> None:
    only = tab()
    only.comes_to(pending=0)
    with only.offline():
        only.create("Buy milk")
        only.comes_to(pending=1, error="network")
        assert titles(alice) == []
    only.comes_to(pending=0, error=None)
    assert titles(alice) == ["Buy milk"]


def test_the_service_is_stopped_and_started(
    alice: Person, tab: Callable[[], Tab], upstream: Service
) -> None:
    only = tab()
    upstream.stop()
    only.create("Buy milk")
    only.comes_to(pending=1, error="network")
    upstream.start()
    only.comes_to(pending=0, error=None)
    assert titles(alice) == ["Buy milk"]


def test_a_conflict_is_reported_in_one_tab(alice: Person, tab: Callable[[], Tab]) -> None:
    tabs = [tab(), tab()]
    milk = alice.create("Buy milk")
    alice.patch(f"/{milk['id']}", json={"title": "Buy oat milk"})
    tabs[0].run("update", milk, {"title": "Buy soy milk"})

    def told() -> list[list[str]]:
        return [conflict for each in tabs for conflict in each.state["conflicts"]]

    eventually(lambda: told() == [["Buy soy milk", "Buy oat milk"]], "it is reported")


def test_a_dialog_that_its_page_has_left_comes_again(alice: Person, tab: Callable[[], Tab]) -> None:
    """Somebody signs out while it is open, and in again, in a page that stays."""
    milk = alice.create("Buy milk")
    alice.patch(f"/{milk['id']}", json={"title": "Buy oat milk"})
    assert tab().run("askTwice", milk, {"title": "Buy soy milk"}) == "Buy soy milk"


def test_a_full_disk_is_an_error(alice: Person, chrome: Browser, network: Network) -> None:
    """For an origin that no other test uses, because Chromium remembers how much room there is."""
    page = chrome.origin.replace("localhost", "127.0.0.1")
    with chrome.quota(page, 1):
        code, detail = chrome.open(alice, network.url, page).run("attempt", "Buy tea")
    assert (code, "cannot store" in detail) == ("storage", True)
    assert titles(alice) == []


def test_a_tab_of_an_older_version_gives_way_and_says_so(tab: Callable[[], Tab]) -> None:
    """A newer one has another schema. The upgrade does not wait for the older tab."""
    old = tab()
    old.create("Buy milk")
    old.comes_to(pending=0)
    old.run("upgrade")
    code, detail = old.run("attempt", "Buy tea")
    assert (code, "newer" in detail) == ("storage", True)


def test_tabs_share_one_stream_and_miss_nothing_when_its_tab_is_closed(
    alice: Person, tab: Callable[[], Tab]
) -> None:
    tabs = [tab(), tab(), tab()]
    alice.create("Buy milk")
    for each in tabs:
        each.run("subscribe")
        each.comes_to(copy=["Buy milk"])
    alice.create("Buy tea")
    for each in tabs:
        each.comes_to(copy=["Buy milk", "Buy tea"])
    assert [each.state["streams"] for each in tabs] == [1, 0, 0]
    tabs.pop(0).close()
    alice.create("Buy jam")
    for each in tabs:
        each.comes_to(copy=["Buy jam", "Buy milk", "Buy tea"])
    assert sum(each.state["streams"] for each in tabs) == 1


def test_pages_that_were_left_hold_no_connection(alice: Person, tab: Callable[[], Tab]) -> None:
    """A browser keeps them for a while, to show them again: then they go on."""
    only = tab()
    for _ in range(7):  # one more than there are connections
        only.run("subscribe")
        only.comes_to(statuses=["connecting", "open"])
        only.again()
    assert only.run("total") == 0
    only.back()
    alice.create("Buy milk")
    only.comes_to(copy=["Buy milk"])


def test_a_browser_that_was_killed_sends_what_it_had_stored(
    alice: Person, chrome: Browser, network: Network, folder: Path, port: int
) -> None:
    only = chrome.open(alice, network.url)
    network.cut()
    only.create("Buy milk", "Buy tea")
    chrome.kill()
    network.mend()
    assert titles(alice) == []
    with Browser(folder, port).running() as again:
        again.open(alice, network.url)
        eventually(lambda: titles(alice) == ["Buy milk", "Buy tea"], "what it had stored is sent")
