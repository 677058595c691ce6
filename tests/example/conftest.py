"""The example, started once with the script of `make example`, and two browsers of two people."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from support import example as stage
from support.browser import chromium
from support.example import Example
from support.tasks_page import TasksPage


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    with stage.running(tmp_path_factory.mktemp("example")) as running:
        yield running


@pytest.fixture(scope="session")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Chrome]]:
    """Two, which share nothing."""
    folders = [tmp_path_factory.mktemp(name) for name in ("desktop", "phone")]
    with chromium(folders[0]) as one, chromium(folders[1]) as other:
        yield [one, other]


@pytest.fixture
def page(example: Example, browsers: list[Chrome]) -> Iterator[TasksPage]:
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
