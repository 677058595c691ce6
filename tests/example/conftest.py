"""The example, started once with the script of `make example`, and browsers of several people."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from selenium.webdriver import Chrome

from support import example as stage
from support.browser import chromium
from support.example import Device, Example
from support.tasks_page import TasksPage


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    with stage.running(tmp_path_factory.mktemp("example")) as running:
        yield running


@pytest.fixture(scope="session")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Chrome]]:
    """Three, which share nothing."""
    with ExitStack() as open_browsers:
        folders = [tmp_path_factory.mktemp(name) for name in ("desktop", "phone", "old")]
        yield [open_browsers.enter_context(chromium(folder)) for folder in folders]


@pytest.fixture(scope="session")
def old_page(example: Example, browsers: list[Chrome]) -> tuple[TasksPage, Device, float]:
    """A page of Bob's, his other device, and the time at which the page was opened."""
    page = TasksPage(browsers[2], example)
    return page, page.sign_up("Bob"), time.monotonic()


@pytest.fixture
def page(example: Example, browsers: list[Chrome], old_page: object) -> Iterator[TasksPage]:
    """The page. What the console says and no step expects is an error."""
    page = TasksPage(browsers[0], example)
    page.shape()
    yield page
    page.leave()


@pytest.fixture
def phone(example: Example, browsers: list[Chrome]) -> Iterator[TasksPage]:
    """The page in the other browser, as wide as a phone."""
    page = TasksPage(browsers[1], example)
    page.shape(phone=True)
    yield page
    page.leave()
