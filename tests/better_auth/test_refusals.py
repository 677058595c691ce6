"""What comes from Better Auth and is no token for this API: 401, with a detail that helps (FR-010).

docs/better-auth.md explains every detail that is shown here.
"""

from pathlib import Path

import httpx
import pytest

from support.auth_server import Account
from support.auth_stage import Stage, in_mode
from taskapi.database.url import DatabaseUrl

PAGE = Path(__file__).parents[2] / "docs" / "better-auth.md"

SESSION_TOKEN = "This is a Better Auth session token; send the JWT that authClient.token() gives."
SESSION_OR_OPAQUE = (
    f"{SESSION_TOKEN} Or it is an OAuth access token that was requested without resource, which "
    "only its own server can read: request it with resource."
)
SESSION_COOKIE = "This is a Better Auth session cookie; send the JWT that authClient.token() gives."


def assert_refused(http: httpx.Client, account: Account, token: str, detail: str) -> None:
    """Hold that a token is refused in these words, and that the page explains them."""
    response = http.get(f"/api/{account.id}/tasks", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["detail"]) == (401, detail)
    assert detail in PAGE.read_text()


@in_mode("default")
def test_a_session_token(stage: Stage) -> None:
    """Without its signature it has the form of an opaque OAuth access token."""
    account = stage.auth.sign_up()
    assert_refused(stage.http, account, account.bearer_token, SESSION_TOKEN)
    assert_refused(stage.http, account, account.cookie("session_token"), SESSION_TOKEN)
    assert_refused(stage.http, account, account.session_token, SESSION_OR_OPAQUE)


@pytest.mark.parametrize("stage", ["session cookies", "signed session cookies"], indirect=True)
def test_a_session_cookie_that_is_a_jwt(stage: Stage) -> None:
    """Signed with the secret or with a key of the set: it also names the raw session token."""
    account = stage.auth.sign_up()
    assert_refused(stage.http, account, account.cookie("session_data"), SESSION_COOKIE)


@in_mode("session cookies")
def test_a_session_cookie_where_no_issuer_is_known(stage: Stage) -> None:
    account = stage.auth.sign_up()
    with stage.service(better_auth_url=None) as http:
        assert_refused(http, account, account.cookie("session_data"), SESSION_COOKIE)


@in_mode("session cookies")
def test_the_token_of_a_verification_mail(stage: Stage) -> None:
    """It is signed with the secret, and names an e-mail address: that is never an identity."""
    account = stage.auth.sign_up()
    mailed = stage.auth.told("mail")
    with stage.service(better_auth_url=None) as http:
        assert_refused(http, account, mailed, "The token names no user (sub).")


@in_mode("default")
def test_a_key_set_token_where_only_the_secret_is_configured(stage: Stage) -> None:
    account = stage.auth.sign_up()
    with stage.service(
        better_auth_url=None, better_auth_secret="another secret of 32 bytes, or more"
    ) as http:
        assert_refused(
            http, account, account.token(), "The token's algorithm is not accepted here."
        )


@in_mode("shared secret")
def test_a_token_of_the_secret_where_only_keys_are_configured(stage: Stage) -> None:
    account = stage.auth.sign_up()
    with stage.service(better_auth_url=stage.auth.url, better_auth_secret=None) as http:
        assert_refused(
            http, account, account.token(), "The token's algorithm is not accepted here."
        )


@in_mode("shared secret")
def test_a_token_of_another_secret(stage: Stage) -> None:
    account = stage.auth.sign_up()
    with stage.service(better_auth_secret="another secret of 32 bytes, or more") as http:
        assert_refused(http, account, account.token(), "The token's signature is wrong.")


@in_mode("default")
def test_an_address_that_is_spelled_in_another_way(stage: Stage) -> None:
    """`localhost` leads to the same server as 127.0.0.1, and is another issuer."""
    account = stage.auth.sign_up()
    with stage.service(better_auth_url=stage.auth.url.replace("127.0.0.1", "localhost")) as http:
        assert_refused(http, account, account.token(), "The token is from another issuer.")


@in_mode("default")
def test_another_audience(stage: Stage) -> None:
    account = stage.auth.sign_up()
    with stage.service(jwt_audience="https://tasks.example.com") as http:
        assert_refused(http, account, account.token(), "The token is for another audience.")


@in_mode("default")
def test_text_ids_where_integers_are_expected(stage: Stage, database: DatabaseUrl) -> None:
    """`USER_ID_TYPE` was forgotten."""
    account = stage.auth.sign_up()
    forgotten = {"user_id_type": "integer", "users_table": "users"}
    with stage.service(database, **forgotten) as http:
        detail = "The token's user (sub) is not an integer id; see USER_ID_TYPE."
        assert_refused(http, account, account.token(), detail)
