"""The two pages of docs/agents.md in Chromium, from sign-in to the answer."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import url_contains
from selenium.webdriver.support.wait import WebDriverWait

from support.auth_server import PASSWORD, Account
from support.auth_stage import Stage
from support.browser import pages
from support.oauth_client import BOTH, OAuthClient
from support.waiting import PATIENCE

NAME = "<img src=x> from your bank"


@pytest.fixture
def client(stage: Stage, tmp_path: Path) -> Iterator[OAuthClient]:
    """A program with a name that no page must take for HTML, which waits for its user's answer."""
    with pages(tmp_path) as port:
        address = f"http://127.0.0.1:{port}/callback"
        yield OAuthClient.registered(stage.auth, client_name=NAME, redirect_uris=[address])


def texts(browser: Chrome, selector: str) -> list[str]:
    return [element.text for element in browser.find_elements(By.CSS_SELECTOR, selector)]


def sign_in(browser: Chrome, email: str, password: str) -> None:
    for name, text in {"email": email, "password": password}.items():
        field = browser.find_element(By.NAME, name)
        field.clear()
        field.send_keys(text)
    browser.find_element(By.TAG_NAME, "button").click()


def press(browser: Chrome, text: str) -> dict[str, list[str]]:
    """Press a button of the consent page; gives what the browser brings to the program."""
    [button] = [each for each in browser.find_elements(By.TAG_NAME, "button") if each.text == text]
    button.click()
    WebDriverWait(browser, PATIENCE).until(url_contains("/callback?"))
    return parse_qs(urlsplit(browser.current_url).query)


def test_the_pages_say_who_asks_for_what_and_bring_the_answer_back(
    browser: Chrome, stage: Stage, account: Account, client: OAuthClient, mcp: str
) -> None:
    waits = WebDriverWait(browser, PATIENCE)
    browser.get(client.authorization_url(mcp, f"{BOTH} offline_access"))
    sign_in(browser, account.email, "a wrong password")
    waits.until(lambda browser: texts(browser, "[role=alert]") == ["Invalid email or password"])
    sign_in(browser, account.email, PASSWORD)

    waits.until(lambda browser: texts(browser, "li")[2:])
    assert texts(browser, "h1, li, b") == [
        f"Connect {NAME} to your tasks?",
        "read your tasks",
        "create, change and delete your tasks",
        "do so while you are away, until you disconnect it",
        urlsplit(client.redirect_uri).netloc,
    ]
    code = press(browser, "Allow reading only")["code"]
    assert client.redeem(code[0], mcp)["scope"] == "tasks:read offline_access"

    browser.get(client.authorization_url(mcp, BOTH))
    waits.until(lambda browser: texts(browser, "li")[1:])
    assert client.redeem(press(browser, "Allow")["code"][0], mcp)["scope"] == BOTH

    browser.get(client.authorization_url(mcp, f"{BOTH} openid"))
    waits.until(lambda browser: texts(browser, "li")[2:])
    changed = browser.current_url.replace("tasks%3Awrite", "tasks%3Aown")
    assert press(browser, "Refuse")["error"] == ["access_denied"]

    browser.get(changed)
    waits.until(lambda browser: texts(browser, "li")[2:])
    browser.find_element(By.CSS_SELECTOR, "[value=all]").click()
    waits.until(lambda browser: texts(browser, "[role=alert]") != [""])
    assert browser.current_url == changed


def test_no_other_page_may_frame_the_consent_page(account: Account) -> None:
    policy = account.browser.get("/consent").headers["Content-Security-Policy"]
    assert policy == "frame-ancestors 'none'"
