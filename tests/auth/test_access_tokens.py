"""OAuth access tokens (RFC 9068): by their own issuer, audience and type, and with scopes."""

import httpx
import pytest

from support.calls import assert_refused
from support.oauth import ISSUER, PUBLIC_URL, access_claims, access_token
from support.people import Person, sign, token_for

METADATA = "/.well-known/oauth-protected-resource"


@pytest.fixture
def program(alice: Person, oauth: httpx.Client) -> Person:
    """Alice's assistant, which may do everything."""
    return Person(alice.id, access_token(alice.id, "openid tasks:write"), oauth)


def refusal_of(person: Person, token: str) -> str:
    """The sentence with which a token is refused."""
    person.token = token
    response = person.get()
    assert_refused(response, 401, "invalid_token")
    detail: str = response.json()["detail"]
    return detail


# The two kinds


def test_a_program_reads_and_writes_for_its_user(program: Person, alice: Person) -> None:
    task = program.create()
    assert alice.get(f"/{task['id']}").json() == task


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt"])
@pytest.mark.parametrize(
    "audience", [PUBLIC_URL, f"{PUBLIC_URL}/", [f"{PUBLIC_URL}/", "https://elsewhere.example"]]
)
def test_a_right_access_token_is_accepted(program: Person, kind: str, audience: object) -> None:
    claims = access_claims(program.id, "tasks:read", aud=audience)
    program.token = sign(claims, typ=kind)
    assert program.get().status_code == 200


def test_a_session_token_may_do_everything_there_too(program: Person) -> None:
    program.token = token_for(program.id)
    assert program.post(json={"title": "Mine"}).status_code == 201


@pytest.mark.parametrize("kind", ["at+jwt", "application/at+jwt"])
def test_without_a_public_url_no_access_token_is_accepted(alice: Person, kind: str) -> None:
    alice.token = sign(access_claims(alice.id, "tasks:write"), typ=kind)
    assert "PUBLIC_URL" in refusal_of(alice, alice.token)


@pytest.mark.parametrize("kind", [None, "JWT"])
def test_an_access_token_without_its_type_does_not_pass_as_a_session_token(
    program: Person, kind: str | None
) -> None:
    header = {} if kind is None else {"typ": kind}
    claims = access_claims(program.id, "tasks:write")
    assert "no session token" in refusal_of(program, sign(claims, **header))


@pytest.mark.parametrize("claim", ["nonce", "at_hash", "auth_time", "azp", "client_id", "cnf"])
def test_an_id_token_does_not_pass_as_a_session_token(alice: Person, claim: str) -> None:
    assert claim in refusal_of(alice, token_for(alice.id, **{claim: "x"}))


def test_the_issuer_of_access_tokens_signs_no_session_token(program: Person) -> None:
    assert "no session token (iss)" in refusal_of(program, token_for(program.id, iss=ISSUER))
    program.token = token_for(program.id, iss="https://auth.example.com")
    assert program.get().status_code == 200


def test_a_session_token_with_the_type_of_an_access_token_is_none(program: Person) -> None:
    claims = {"sub": program.id, "exp": 4_000_000_000, "iss": "https://auth.example.com"}
    assert "another issuer" in refusal_of(program, sign(claims, typ="at+jwt"))


# Its claims


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"iss": "https://auth.example.com"}, "another issuer"),
        ({"iss": f"{ISSUER}/"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": f"{PUBLIC_URL}/mcp"}, f"resource={PUBLIC_URL}."),
        ({"aud": [f"{PUBLIC_URL}//"]}, f"resource={PUBLIC_URL}."),
        ({"aud": "https://api.example.com.evil.example"}, f"resource={PUBLIC_URL}."),
        ({"aud": []}, f"resource={PUBLIC_URL}."),
        ({"aud": {PUBLIC_URL: 1}}, f"resource={PUBLIC_URL}."),
        ({"cnf": {"jkt": "x"}}, "bound to a key"),
        ({"cnf": None}, "bound to a key"),
        ({"client_id": None}, "names no client"),
        ({"client_id": ""}, "names no client"),
        ({"client_id": ["assistant"]}, "names no client"),
        ({"client_id": "x" * 2049}, "longer than 2048 bytes"),
        ({"client_id": "a\nb"}, "no id has"),
        ({"client_id": "\ud800"}, "no id has"),
        ({"client_id": "\u202eabc"}, "no id has"),
        ({"sub": "assistant"}, "of a program"),
        ({"sub": None}, "must be a string"),
        ({"iat": 4_000_000_000}, "not valid yet"),
    ],
    ids=str,
)
def test_an_access_token_with_other_claims_is_refused(
    program: Person, changed: dict[str, object], sentence: str
) -> None:
    assert sentence in refusal_of(program, access_token(program.id, "tasks:write", **changed))


def test_an_access_token_that_has_expired_is_told_from_a_wrong_one(program: Person) -> None:
    program.token = access_token(program.id, "tasks:write", exp=1_700_000_000)
    assert_refused(program.get(), 401, "token_expired")


def test_an_access_token_of_another_user_does_not_reach_the_path(
    program: Person, bob: Person
) -> None:
    program.token = access_token(bob.id, "tasks:write")
    assert_refused(program.get(), 403, "forbidden")


def test_an_opaque_token_is_refused_with_what_was_missing(program: Person) -> None:
    assert "without resource" in refusal_of(program, "a" * 32)
    assert "without resource" not in refusal_of(program, f"{'a' * 32}.{'b' * 43}=")


# Scopes


@pytest.mark.parametrize(
    "scope", ["", "openid", "tasks", "tasks:reader", "TASKS:READ", "tasks:read,tasks:write", None]
)
def test_a_token_without_a_scope_of_ours_is_403_everywhere(
    program: Person, scope: str | None
) -> None:
    program.token = access_token(program.id, scope)
    for response in (program.get(), program.post(json={"title": "x"})):
        assert_refused(response, 403, "insufficient_scope")


def test_what_is_needed_is_said_at_once(program: Person) -> None:
    """A client that asks for the scope of the challenge gets a token with all that it needs."""
    program.token = access_token(program.id, "tasks:read")
    response = program.post(json={"title": "x"})
    assert_refused(response, 403, "insufficient_scope")
    assert response.headers["WWW-Authenticate"] == (
        'Bearer realm="taskapi", error="insufficient_scope", '
        'error_description="The token lacks the scope tasks:write.", '
        f'scope="tasks:read tasks:write", resource_metadata="{PUBLIC_URL}{METADATA}"'
    )
    program.token = access_token(program.id, "openid")
    assert 'scope="tasks:read",' in program.get().headers["WWW-Authenticate"]


def test_a_scope_is_checked_before_a_body_is_read(program: Person) -> None:
    program.token = access_token(program.id, "tasks:read")
    response = program.post(content=b"x" * 1_000_000, headers={"Content-Type": "text/plain"})
    assert_refused(response, 403, "insufficient_scope")


# Where a client gets one


@pytest.mark.parametrize(("prefix", "path"), [("/api/1/tasks", ""), ("/mcp", "/mcp")])
def test_a_401_leads_to_the_metadata(oauth: httpx.Client, prefix: str, path: str) -> None:
    response = oauth.post(prefix)
    assert_refused(response, 401, "not_authenticated")
    assert response.headers["WWW-Authenticate"] == (
        'Bearer realm="taskapi", scope="tasks:read tasks:write", '
        f'resource_metadata="{PUBLIC_URL}{METADATA}{path}"'
    )
    assert oauth.get(f"{METADATA}{path}").json() == {
        "resource": f"{PUBLIC_URL}{path}",
        "authorization_servers": [ISSUER],
        "scopes_supported": ["tasks:read", "tasks:write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "taskapi",
    }


def test_without_access_tokens_there_is_no_metadata(http: httpx.Client) -> None:
    for path in ("", "/mcp"):
        assert_refused(http.get(METADATA + path), 404, "route_not_found")
    assert http.post("/mcp").headers["WWW-Authenticate"] == 'Bearer realm="taskapi"'
