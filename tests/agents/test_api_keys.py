"""API keys of Better Auth's own plugin: a script exchanges its key for a session token."""

import subprocess
from pathlib import Path

import httpx
import pytest

from support.agent import Agent
from support.auth_server import SERVER, Account, node
from support.auth_stage import AGENTS, Stage
from support.moving_page import SECTIONS, run
from support.people import Person
from support.waiting import PATIENCE
from taskapi.auth.token import parse


@pytest.fixture
def key(account: Account) -> dict[str, str]:
    """A key of Alice's, as she makes it in the web application."""
    response = account.browser.post("/api/auth/api-key/create", json={"name": "Backup"})
    assert response.status_code == 200, response.text
    made: dict[str, str] = response.json()
    return made


def ask(stage: Stage, path: str, key: str) -> httpx.Response:
    """A script's request to Better Auth, with a key and no cookie."""
    return httpx.get(
        f"{stage.auth.url}/api/auth{path}", headers={"x-api-key": key}, timeout=PATIENCE
    )


def test_a_script_exchanges_its_key_for_a_token(
    stage: Stage, account: Account, key: dict[str, str]
) -> None:
    """The token is that of a session: it works on the API and at `/mcp`, for 15 minutes."""
    token = ask(stage, "/token", key["key"]).json()["token"]
    script = Person(account.id, token, stage.http)
    task = script.create("From a script")
    assert stage.person(account).get(f"/{task['id']}").json() == task
    assert Agent(stage.http, token).request("tools/list").status_code == 200
    claims = parse(token.encode()).claims
    assert claims["exp"] - claims["iat"] == 15 * 60


def test_the_script_of_the_page_prints_what_is_to_be_done(
    stage: Stage, api: str, account: Account, key: dict[str, str]
) -> None:
    alice = stage.person(account)
    alice.create("Buy milk")
    done = alice.create("Buy bread")
    alice.patch(f"/{done['id']}/complete")
    given = {"AUTH_URL": stage.auth.url, "TASKS_URL": api, "API_KEY": key["key"]}
    script = SERVER / "configurations" / AGENTS.configuration / "open-tasks.mjs"
    printed = subprocess.check_output([node(), script], env=given, text=True)
    assert printed == "Buy milk\n"


def test_the_script_for_backups_keeps_the_tasks_of_the_day(
    stage: Stage, api: str, account: Account, key: dict[str, str], tmp_path: Path
) -> None:
    """That of docs/moving.md; an import of what it keeps finds everything there."""
    alice = stage.person(account)
    alice.create("Buy milk")
    given = {"AUTH_URL": stage.auth.url, "TASKS_URL": api, "API_KEY": key["key"]}
    [script] = SECTIONS["A backup every night"]
    run(script.code, tmp_path, given)
    [kept] = tmp_path.glob("tasks-*")
    assert kept.suffix == ".jsonl"
    again = alice.post("/import?format=jsonl", content=kept.read_bytes())
    assert again.json() == {"created": 0, "known": 1, "ignored": 0, "dry_run": False}


def test_the_key_itself_is_no_token(stage: Stage, account: Account, key: dict[str, str]) -> None:
    assert Person(account.id, key["key"], stage.http).get().status_code == 401
    assert Agent(stage.http, key["key"]).request("tools/list").status_code == 401


def test_a_key_is_no_sign_in_for_anything_else(stage: Stage, key: dict[str, str]) -> None:
    """Otherwise whoever finds one could consent to programs, make more keys, or delete the user."""
    session = ask(stage, "/get-session", key["key"])
    assert (session.status_code, session.json()) == (200, None)
    assert ask(stage, "/api-key/list", key["key"]).status_code == 401


def test_a_deleted_key_gives_no_token(stage: Stage, account: Account, key: dict[str, str]) -> None:
    deleted = account.browser.post("/api/auth/api-key/delete", json={"keyId": key["id"]})
    assert deleted.status_code == 200, deleted.text
    assert ask(stage, "/token", key["key"]).status_code == 401
