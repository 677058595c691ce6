"""A page that stays open for longer than its token is valid. It is last, as it waits for that."""

import time

from support.example import TOKEN_SECONDS, Device
from support.tasks_page import TasksPage
from support.waiting import eventually


def test_a_page_outlives_its_token(old_page: tuple[TasksPage, Device, float]) -> None:
    """It was opened before the first test of the page, and nobody has touched it since."""
    page, bob, opened = old_page
    eventually(lambda: time.monotonic() > opened + TOKEN_SECONDS, "its first token has expired")
    page.expected.append(r"net::ERR_|502 .Bad Gateway")  # of the tests before
    page.try_now()
    bob.create({"title": "Buy milk"})
    page.shows("Buy milk")
    page.toggle("Buy milk")
    eventually(lambda: bob.is_done("Buy milk"), "it is saved")
    assert page.calls("/api/auth/token") > 1
    page.leave()
