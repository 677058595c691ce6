"""How a user takes a program's access away, and what is left of it."""

import re

from support.auth_server import Account
from support.auth_stage import Stage, fetch
from support.machine import ROOT
from support.oauth_client import BOTH, OAuthClient
from support.people import Person

PAGE = (ROOT / "docs" / "agents.md").read_text()


def test_a_program_that_the_user_disconnects_gets_no_new_token(
    stage: Stage, api: str, account: Account, program: OAuthClient
) -> None:
    """Its last access token works until it expires, because nobody is asked about it."""
    tokens = program.tokens(account, api, f"{BOTH} offline_access")
    assert [each["clientId"] for each in account.browser.get("/programs").json()] == [program.id]

    answer = account.browser.post("/programs/disconnect", json={"client_id": program.id})
    assert answer.status_code == 200, answer.text

    refused = program.request("refresh_token", refresh_token=tokens["refresh_token"], resource=api)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert account.browser.get("/programs").json() == []
    assert Person(account.id, tokens["access_token"], stage.http).get().status_code == 200
    assert int(tokens["expires_in"]) == 15 * 60


def test_a_program_that_the_operator_disables_gets_no_new_token(
    stage: Stage, mcp: str, account: Account
) -> None:
    """With the statement of the page."""
    program = OAuthClient.registered(stage.auth)
    tokens = program.tokens(account, mcp, f"{BOTH} offline_access")
    [statement] = re.findall(r"`(UPDATE .*'…')`", PAGE)
    fetch(stage.database, statement.replace("…", program.id))
    refused = program.request("refresh_token", refresh_token=tokens["refresh_token"], resource=mcp)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client")


def test_to_sign_out_or_to_delete_the_consent_is_not_enough(
    api: str, account: Account, program: OAuthClient
) -> None:
    """So docs/agents.md has a function of its own for it."""
    tokens = program.tokens(account, api, f"{BOTH} offline_access")
    [given] = account.browser.get("/api/auth/oauth2/get-consents").json()
    for path, body in (("oauth2/delete-consent", {"id": given["id"]}), ("sign-out", {})):
        assert account.browser.post(f"/api/auth/{path}", json=body).status_code == 200
    program.grant("refresh_token", refresh_token=tokens["refresh_token"], resource=api)
