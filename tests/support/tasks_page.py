"""The example's page in a browser, as a person uses it."""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager

from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from support.example import PAGE, SCREENSHOTS, Device, Example
from support.waiting import eventually

AXE = PAGE / "node_modules" / "axe-core" / "axe.min.js"

TITLES = "return [...document.querySelectorAll('[data-row] .title')].map((e) => e.textContent)"

ROW = """
const titles = [...document.querySelectorAll("[data-row] .title")];
return titles.find((each) => each.textContent === arguments[0])?.closest("[data-row]") ?? null;
"""

CALLS = """
return performance.getEntriesByType("resource").filter((e) => e.name.includes(arguments[0])).length;
"""

RUN_AXE = """
const done = arguments[0];
axe.run().then(({ violations }) => done(violations.map(({ id, help, nodes }) =>
  `${id}: ${help}: ${nodes.map((node) => node.html).join(" ")}`)));
"""

_numbers = itertools.count(1)


class TasksPage:
    """A window with the page.

    Attributes:
        browser: the window's.
        expected: patterns of what the console may say.
    """

    def __init__(self, browser: Chrome, example: Example) -> None:
        self.browser = browser
        self.example = example
        self.expected: list[str] = []

    # Sessions

    def sign_up(self, name: str) -> Device:
        """Make a user, who is then signed in here; gives another device of that user."""
        email = f"{name.lower()}-{next(_numbers)}@example.com"
        device = Device(self.example, name, email)
        self.sign_in(device)
        return device

    def sign_in(self, device: Device) -> None:
        """Have the session of another device, and nobody else's."""
        url = self.example.url
        self.browser.get("about:blank")
        self.browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
        for name, value in device.http.cookies.items():
            cookie = {"name": name, "value": value, "url": url}
            self.browser.execute_cdp_cmd("Network.setCookie", cookie)
        self.browser.get(url)
        eventually(self.is_in_step, "the page follows the changes")

    def is_in_step(self) -> bool:
        """Whether the page says so."""
        return "In step" in self.text()

    # What is seen

    def text(self) -> str:
        """Everything that is written there."""
        return str(self.browser.execute_script("return document.body.innerText"))

    def titles(self) -> list[str]:
        """Of the tasks that are listed."""
        found: list[str] = self.browser.execute_script(TITLES)
        return found

    def shows(self, *titles: str) -> None:
        """Wait until these tasks are listed, and no others."""
        eventually(lambda: self.titles() == [*titles], f"{titles} are listed, of {self.titles()}")

    def says(self, text: str) -> None:
        """Wait until this is written there."""
        eventually(lambda: text in self.text(), f"{text!r} is written there:\n{self.text()}")

    def calls(self, path: str) -> int:
        """How often the page has called this."""
        return int(self.browser.execute_script(CALLS, path))

    def axe(self) -> list[str]:
        """What axe-core finds wrong."""
        self.browser.execute_script(AXE.read_text())
        found: list[str] = self.browser.execute_async_script(RUN_AXE)
        return found

    def picture(self, name: str) -> None:
        """Write a screenshot for the README, if they are asked for."""
        if SCREENSHOTS is not None:
            SCREENSHOTS.mkdir(exist_ok=True)
            self.browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))

    # What is done

    def find(self, css: str) -> WebElement:
        """The first element, when it is there."""
        eventually(lambda: self.browser.find_elements(By.CSS_SELECTOR, css), f"{css} is there")
        return self.browser.find_element(By.CSS_SELECTOR, css)

    def click(self, name: str, kind: str = "button") -> None:
        """Press a button by what is written on it, or by its label."""
        path = f"//button[(normalize-space()='{name}' or @aria-label='{name}') and @type='{kind}']"
        eventually(lambda: self.browser.find_elements(By.XPATH, path), f"there is {name!r}")
        self.browser.find_element(By.XPATH, path).click()

    def fill(self, **fields: str) -> None:
        """Type into fields, by their names, instead of what stands there."""
        for name, text in fields.items():
            field = self.find(f"form [name={name}]")
            field.clear()
            field.send_keys(text)

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.browser).send_keys(*keys).perform()

    def chord(self, held: str, key: str) -> None:
        """Press a key while another one is held."""
        ActionChains(self.browser).key_down(held).send_keys(key).key_up(held).perform()

    def add(self, title: str) -> None:
        """Add a task."""
        self.fill(task=f"{title}\n")

    def row(self, title: str) -> WebElement:
        """The row of a task, when it is listed."""
        eventually(lambda: self._row(title), f"{title!r} is listed")
        row = self._row(title)
        assert row is not None
        return row

    def _row(self, title: str) -> WebElement | None:
        """Found in one step, because rows may come in between two."""
        found: WebElement | None = self.browser.execute_script(ROW, title)
        return found

    def try_now(self) -> None:
        """Press the button of the banner, unless the page has found the service by itself."""
        self.browser.execute_script("document.querySelector('.banner button')?.click()")

    def toggle(self, title: str) -> None:
        """Check a task, or uncheck it."""
        self.row(title).find_element(By.CSS_SELECTOR, "[type=checkbox]").click()

    def is_done(self, title: str) -> bool:
        """Whether a task is checked."""
        return self.row(title).find_element(By.CSS_SELECTOR, "[type=checkbox]").is_selected()

    def edit(self, title: str) -> None:
        """Open the editor of a task."""
        self.row(title).find_element(By.CSS_SELECTOR, ".title-button").click()

    @contextmanager
    def offline(self) -> Iterator[None]:
        """Without a network, as the browser sees it."""
        self.expected.append(r"net::ERR_INTERNET_DISCONNECTED")
        self._network(offline=True)
        try:
            yield
        finally:
            self._network(offline=False)

    def _network(self, *, offline: bool) -> None:
        conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.browser.execute_cdp_cmd(
            "Network.emulateNetworkConditions", conditions | {"offline": offline}
        )

    def shape(self, *, dark: bool = False, phone: bool = False) -> None:
        """Show it in a scheme of colours, on a desktop or a phone; and as it is after motion."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        motion = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme, motion]})
        width, height = (390, 844) if phone else (1100, 860)
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self.browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})

    # What must not be

    def leave(self) -> None:
        """Close the page, on whose console there may be nothing but what a step expects."""
        self.browser.get("about:blank")
        log = self.browser.get_log("browser")  # type: ignore[no-untyped-call]  # selenium's
        errors = [entry["message"] for entry in log if entry["level"] in {"SEVERE", "WARNING"}]
        unexpected = [it for it in errors if not any(re.search(each, it) for each in self.expected)]
        assert unexpected == []
