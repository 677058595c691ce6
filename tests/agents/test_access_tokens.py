"""Access tokens that Better Auth gives to programs: for which resource, with which scopes."""

import httpx
import pytest

from support.agent import Agent
from support.auth_server import Account
from support.auth_stage import Stage
from support.oauth_client import BOTH, METADATA, OAuthClient, challenge_of, consent, refusal
from support.people import Person
from support.waiting import PATIENCE

TITLE = {"title": "From an agent"}


def person(stage: Stage, account: Account, token: str) -> Person:
    """A program that calls the API for this user with an access token."""
    return Person(account.id, token, stage.http)


def test_a_program_works_for_the_user_who_let_it_in(
    stage: Stage, api: str, account: Account, program: OAuthClient
) -> None:
    agent = person(stage, account, program.tokens(account, api)["access_token"])
    task = agent.create()
    assert stage.person(account).get(f"/{task['id']}").json() == task


def test_with_openid_the_token_names_two_audiences_and_one_is_enough(
    stage: Stage, api: str, account: Account, program: OAuthClient
) -> None:
    tokens = program.tokens(account, api, f"openid {BOTH}")
    assert person(stage, account, tokens["access_token"]).get().status_code == 200


def test_a_program_reaches_no_other_user(
    stage: Stage, api: str, account: Account, program: OAuthClient
) -> None:
    bob = stage.sign_up("Bob")
    task = bob.create()
    agent = person(stage, account, program.tokens(account, api)["access_token"])
    assert agent.get(bob.tasks).json()["code"] == "forbidden"
    assert agent.get(f"/{task['id']}").json()["code"] == "task_not_found"


def test_who_may_read_cannot_write_until_the_user_agrees(
    stage: Stage, api: str, account: Account, program: OAuthClient
) -> None:
    """The 403 says what to ask for, so that the client can ask for it."""
    tokens = program.tokens(account, api, "tasks:read")
    agent = person(stage, account, tokens["access_token"])
    assert agent.get().json()["total"] == 0

    refused = agent.post(json=TITLE)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    challenge = challenge_of(refused)
    assert challenge["error"] == "insufficient_scope"
    assert challenge["resource_metadata"] == f"{api}/.well-known/oauth-protected-resource"
    assert agent.get().json()["total"] == 0

    agent.token = program.tokens(account, api, challenge["scope"])["access_token"]
    assert agent.post(json=TITLE).status_code == 201


def test_a_token_is_for_one_resource(
    stage: Stage, api: str, mcp: str, account: Account, program: OAuthClient
) -> None:
    """A token that leaks from one cannot be used at the other (RFC 8707)."""
    for_api = program.tokens(account, api)["access_token"]
    for_mcp = program.tokens(account, mcp)["access_token"]

    refused = person(stage, account, for_mcp).get()
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert f"resource={api}." in refused.json()["detail"]
    refused = Agent(stage.http, for_api).request("tools/list")
    assert (refused.status_code, f"resource={mcp}." in refused.text) == (401, True)

    assert person(stage, account, for_api).get().status_code == 200
    assert Agent(stage.http, for_mcp).request("tools/list").status_code == 200


def test_a_token_can_be_for_both(
    stage: Stage, api: str, mcp: str, account: Account, program: OAuthClient
) -> None:
    token = program.tokens(account, [api, mcp])["access_token"]
    assert person(stage, account, token).get().status_code == 200
    assert Agent(stage.http, token).request("tools/list").status_code == 200


def test_an_access_token_is_no_sign_in(
    stage: Stage, account: Account, assistant: OAuthClient, mcp: str
) -> None:
    """Otherwise a program could fetch a session token, which may do everything."""
    token = assistant.tokens(account, mcp)["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.get(f"{stage.auth.url}/api/auth/token", headers=headers, timeout=PATIENCE)
    assert answer.status_code == 401


def test_the_session_token_goes_on_working_everywhere(stage: Stage, account: Account) -> None:
    alice = stage.person(account)
    assert alice.create()["user_id"] == account.id
    assert Agent(stage.http, alice.token).request("tools/list").status_code == 200


def test_a_refreshed_token_works(
    stage: Stage, api: str, account: Account, program: OAuthClient
) -> None:
    tokens = program.tokens(account, api, f"{BOTH} offline_access")
    again = program.grant("refresh_token", refresh_token=tokens["refresh_token"], resource=api)
    assert again["access_token"] != tokens["access_token"]
    assert person(stage, account, again["access_token"]).post(json=TITLE).status_code == 201


def test_a_deleted_account_takes_its_programs_along(
    stage: Stage, api: str, account: Account, program: OAuthClient
) -> None:
    agent = person(stage, account, program.tokens(account, api)["access_token"])
    account.delete()
    assert agent.get().json()["code"] == "user_not_found"
    assert agent.post(json=TITLE).json()["code"] == "user_not_found"


def test_a_user_who_refuses_gives_no_code(
    account: Account, assistant: OAuthClient, mcp: str
) -> None:
    answer = refusal(account, assistant.authorization_url(mcp))
    assert (answer["error"], "code" in answer) == ("access_denied", False)


def test_a_program_that_nobody_has_linked_to_the_api_gets_no_token_for_it(
    account: Account, assistant: OAuthClient, api: str
) -> None:
    answer = consent(account, assistant.authorization_url(api))
    assert (answer["error"], "code" in answer) == ("invalid_target", False)


def test_a_body_that_is_no_json_does_not_end_the_web_application(account: Account) -> None:
    assert account.browser.post("/programs", content=b"{").status_code == 400
    assert account.browser.get("/programs").json() == []


@pytest.mark.parametrize("path", ["/programs", "/api/auth/oauth2/create-client"])
def test_only_the_operator_registers_programs(path: str, account: Account) -> None:
    response = account.browser.post(path, json={"redirect_uris": ["https://evil.example"]})
    assert response.status_code == 401


def test_a_program_on_its_users_machine_has_to_say_so(stage: Stage) -> None:
    metadata = {name: METADATA[name] for name in METADATA if name != "application_type"}
    response = httpx.post(
        f"{stage.auth.url}/api/auth/oauth2/register", json=metadata, timeout=PATIENCE
    )
    assert (response.status_code, response.json()["error"]) == (400, "invalid_redirect_uri")
