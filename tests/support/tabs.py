"""Tabs of a real browser, each with a queue of the TypeScript client."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from selenium.webdriver import Chrome

from support.browser import chromium, pages
from support.machine import ROOT
from support.people import Person
from support.typescript_client import built
from support.waiting import eventually

RUN = "const [name, given, done] = arguments; Promise.resolve(page[name](...given)).then(done);"


class Tab:
    """A tab, which must be asked by its name because a driver has one at a time."""

    def __init__(self, browser: Chrome, handle: str) -> None:
        self._browser = browser
        self._handle = handle

    def show(self) -> Chrome:
        """Make it the tab that commands are for."""
        self._browser.switch_to.window(self._handle)
        return self._browser

    def run(self, name: str, *given: object) -> Any:
        """Call a function of its page."""
        return self.show().execute_async_script(RUN, name, given)

    def create(self, *titles: str) -> None:
        self.run("create", *titles)

    @property
    def state(self) -> dict[str, Any]:
        """What the page shows, and what it was told."""
        state: dict[str, Any] = self.run("state")
        return state

    def comes_to(self, **expected: object) -> None:
        """Hold that these parts of its state come to be so."""
        eventually(lambda: {name: self.state[name] for name in expected} == expected, f"{expected}")

    @contextmanager
    def offline(self) -> Iterator[None]:
        """Without a network, as the developer tools do it."""
        conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        for is_offline in (True, False):
            self.show().execute_cdp_cmd("Network.enable", {})
            command = "Network.emulateNetworkConditions"
            self.show().execute_cdp_cmd(command, conditions | {"offline": is_offline})
            if is_offline:
                yield

    def again(self) -> None:
        """Go to the same page again, so that the one that is left may be kept to be shown."""
        url = self.show().current_url
        self._browser.get(f"{url}&again")

    def back(self) -> None:
        """Show the page that was left last."""
        self.show().back()

    def close(self) -> None:
        self.show().close()


class Browser:
    """A browser that keeps what it stores, and can be killed and started again."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.origin = f"http://localhost:{port}"

    @contextmanager
    def running(self) -> Iterator["Browser"]:
        with chromium(self._folder) as self._chrome:
            yield self

    def open(self, person: Person, url: str, page: str = "") -> Tab:
        """A tab of somebody who is signed in; it reaches the service by this URL."""
        self._chrome.switch_to.window(self._chrome.window_handles[0])
        self._chrome.switch_to.new_window("tab")
        query = urlencode({"url": url, "user": person.id, "token": person.token})
        self._chrome.get(f"{page or self.origin}/tabs.html?{query}")
        tab = Tab(self._chrome, self._chrome.current_window_handle)
        eventually(lambda: self._chrome.execute_script("return 'page' in window"), "it is loaded")
        return tab

    @contextmanager
    def quota(self, page: str, size: int) -> Iterator[None]:
        """Let an origin store so many bytes."""
        command = "Storage.overrideQuotaForOrigin"
        self._chrome.execute_cdp_cmd(command, {"origin": page, "quotaSize": size})
        yield
        self._chrome.execute_cdp_cmd(command, {"origin": page})

    def kill(self) -> None:
        """End it as a loss of power does for its processes: nothing is flushed."""
        os.kill(self._process, signal.SIGKILL)

    @property
    def _process(self) -> int:
        lock = (self._folder / "SingletonLock").readlink()  # its name is that of the machine and -
        return int(lock.name.rpartition("-")[2])


@contextmanager
def origin(folder: Path) -> Iterator[int]:
    """Serve the page and the client's modules; gives the port."""
    for name in ("tabs.html", "tabs.mjs"):
        (folder / name).symlink_to(ROOT / "tests" / "clients" / name)
    (folder / "client").symlink_to(built() / "dist")
    with pages(folder) as port:
        yield port
