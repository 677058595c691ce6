"""What the authorization server gives out that is no access token for this service: 401.

docs/better-auth.md explains every detail that is shown here.
"""

import time

from joserfc import jwt
from joserfc.jwk import ECKey

from support.agent import Agent
from support.auth_server import Account
from support.auth_stage import Stage
from support.machine import ROOT
from support.oauth_client import BOTH, OAuthClient, consent
from support.people import Person

PAGE = (ROOT / "docs" / "better-auth.md").read_text()


def assert_refused(stage: Stage, user_id: str, token: str, detail: str) -> None:
    """Hold that a token is refused in these words wherever it is sent, and that the page has them.

    A service that knows no issuer and no audience of session tokens refuses it too, in whatever
    words.
    """
    for answer in (
        Person(user_id, token, stage.http).get(),
        Agent(stage.http, token).request("tools/list"),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (401, detail)
    assert detail in PAGE
    issuer = f"{stage.auth.url}/api/auth"
    with stage.service(
        better_auth_url=None, better_auth_jwks_url=f"{issuer}/jwks", oauth_issuer=issuer
    ) as http:
        assert Person(user_id, token, http).get().status_code == 401


def test_a_token_that_was_requested_without_resource(
    stage: Stage, account: Account, program: OAuthClient
) -> None:
    """Better Auth gives an opaque one, which only its introspection reads."""
    token = program.tokens(account, None)["access_token"]
    detail = (
        "This is a Better Auth session token; send the JWT that authClient.token() gives. Or it is "
        "an OAuth access token that was requested without resource, which only its own server can "
        "read: request it with resource."
    )
    assert_refused(stage, account.id, token, detail)


def test_an_id_token(stage: Stage, api: str, account: Account, program: OAuthClient) -> None:
    """It is signed with the same key and names the user, for the program alone."""
    token = program.tokens(account, api, f"openid {BOTH}")["id_token"]
    assert_refused(stage, account.id, token, "The token is from another issuer.")


def test_a_token_of_a_program_for_itself(
    stage: Stage, api: str, mcp: str, operator: Account
) -> None:
    """Its `sub` is no user, whatever scopes the program has (RFC 9068, 5)."""
    metadata = {
        "redirect_uris": ["https://machine.example/callback"],
        "grant_types": ["client_credentials"],
        "client_credentials_scopes": BOTH.split(),
    }
    machine = OAuthClient.registered_by(operator, stage.auth, metadata)
    token = machine.grant("client_credentials", resource=[api, mcp], scope=BOTH)["access_token"]
    detail = (
        "The access token is of a program (sub is client_id) and of no user: use the authorization "
        "code flow."
    )
    assert_refused(stage, machine.id, token, detail)


def test_a_token_that_is_bound_to_a_key(
    stage: Stage, api: str, mcp: str, account: Account, program: OAuthClient
) -> None:
    """It is worth nothing without a proof of the key, and nothing here asks for one (RFC 9449)."""
    key = ECKey.generate_key("P-256")
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
    claims = {"htm": "POST", "htu": program.token_endpoint, "jti": "once", "iat": int(time.time())}
    code = consent(account, program.authorization_url([api, mcp]))["code"]
    tokens = program.redeem(code, [api, mcp], proof=jwt.encode(header, claims, key))
    assert tokens["token_type"] == "DPoP"
    detail = (
        "The access token is bound to a key (cnf), which nothing here checks: request one that is "
        "not."
    )
    assert_refused(stage, account.id, tokens["access_token"], detail)


def test_a_refresh_token(stage: Stage, api: str, account: Account, program: OAuthClient) -> None:
    token = program.tokens(account, api, f"{BOTH} offline_access")["refresh_token"]
    assert Person(account.id, token, stage.http).get().status_code == 401
