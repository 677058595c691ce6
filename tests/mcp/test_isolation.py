"""No tool shows or changes what is somebody else's: the walk of `/mcp`.

Every tool that the service lists is walked as nobody, as an agent that may only read, and with
another user's ids. A tool that `tools.TOOLS` does not know fails here, so none is added without
being walked.
"""

from collections.abc import Iterator

import httpx
import pytest

from support.agent import Agent
from support.calls import NO_TASK
from support.oauth import PUBLIC_URL, access_token
from support.people import Person, sign
from support.tools import ABOUT_TASKS, TOOLS, WRITING, use
from taskapi.mcp.tools import TOOLS as DECLARED
from taskapi.scopes import READ


@pytest.fixture
def task(alice: Person) -> Iterator[dict[str, object]]:
    """A task of Alice's, of which not a byte may have changed when the test is over."""
    task = alice.create("Alice's", "and nobody else's")
    before = alice.get().content
    yield task
    assert alice.get().content == before


def test_every_tool_that_is_listed_is_walked(alice: Person) -> None:
    assert [tool["name"] for tool in Agent.of(alice).result("tools/list")["tools"]] == list(TOOLS)


def test_every_tool_declares_the_scope_that_the_walk_says() -> None:
    assert [(it.name, it.scope) for it in DECLARED] == [(name, TOOLS[name].scope) for name in TOOLS]


@pytest.mark.parametrize("name", TOOLS)
def test_nobody_is_401(alice: Person, task: dict[str, object], name: str) -> None:
    response = use(alice.http, None, name, task["id"])
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("name", TOOLS)
def test_a_signature_of_somebody_else_is_401(
    alice: Person, task: dict[str, object], name: str
) -> None:
    forged = sign({"sub": alice.id, "exp": 2**40}, "another secret, just as long as the real one")
    assert use(alice.http, forged, name, task["id"]).status_code == 401


@pytest.mark.parametrize("name", WRITING)
def test_an_agent_that_may_only_read_is_403_and_learns_what_it_lacks(
    oauth: httpx.Client, alice: Person, task: dict[str, object], name: str
) -> None:
    response = use(oauth, access_token(alice.id, READ), name, task["id"])
    assert response.status_code == 403
    challenge = response.headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="tasks:read tasks:write"' in challenge
    assert f'resource_metadata="{PUBLIC_URL}/.well-known/oauth-protected-resource/mcp"' in challenge


@pytest.mark.parametrize("name", ABOUT_TASKS)
def test_another_users_task_cannot_be_told_from_one_that_does_not_exist(
    bob: Person, task: dict[str, object], name: str
) -> None:
    foreign, missing = (
        use(bob.http, bob.token, name, task_id).text.replace(str(task_id), "the id")
        for task_id in (task["id"], NO_TASK)
    )
    assert foreign == missing
    assert "task_not_found" in foreign


@pytest.mark.parametrize("name", [name for name in TOOLS if name not in ABOUT_TASKS + WRITING])
def test_a_search_finds_ones_own_tasks_alone(
    bob: Person, task: dict[str, object], name: str
) -> None:
    own = bob.create("Bob's, about Alice")
    found = Agent.of(bob).use(name, **TOOLS[name].arguments(NO_TASK))
    [tasks] = [value for value in found.values() if isinstance(value, list)]
    assert [str(each["id"]) for each in tasks] == [str(own["id"])]
