"""Better Auth that gives programs access tokens, a service that takes them, and its users."""

import json
import re
from collections.abc import Iterator

import pytest

from support.auth_server import Account
from support.auth_stage import AGENTS, OPERATOR, Stage, fetch, staged
from support.machine import ROOT
from support.oauth_client import OAuthClient
from taskapi.database.url import DatabaseUrl

PAGE = (ROOT / "docs" / "agents.md").read_text()


@pytest.fixture(scope="session")
def stage(database: DatabaseUrl) -> Iterator[Stage]:
    """Both programs, as docs/agents.md sets them up."""
    with staged(AGENTS, database) as stage:
        yield stage


@pytest.fixture(scope="session")
def api(stage: Stage) -> str:
    """The API as the resource of access tokens: `PUBLIC_URL`."""
    return str(stage.settings["public_url"])


@pytest.fixture(scope="session")
def mcp(api: str) -> str:
    """The endpoint for agents."""
    return f"{api}/mcp"


@pytest.fixture(scope="session")
def operator(stage: Stage) -> Account:
    """Who may register programs."""
    account = stage.auth.sign_up("Operator", OPERATOR)
    fetch(stage.database, 'UPDATE "user" SET "emailVerified" = true WHERE id = $1', account.id)
    return account


@pytest.fixture(scope="session")
def assistant(stage: Stage) -> OAuthClient:
    """A program that has registered itself, and so may ask for `/mcp`."""
    return OAuthClient.registered(stage.auth)


@pytest.fixture(scope="session")
def program(stage: Stage, operator: Account) -> OAuthClient:
    """The program that the operator registers on the page; it may ask for `/mcp` and the API."""
    [registration] = re.findall(r"^```json\n(\{\n.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return OAuthClient.registered_by(operator, stage.auth, json.loads(registration))


@pytest.fixture
def account(stage: Stage) -> Account:
    """Alice, who is signed in."""
    return stage.auth.sign_up()
