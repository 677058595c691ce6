"""The syntax gate. What it refuses is walked through HTTP in tests/auth/test_tokens.py."""

import json
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.forgery import HEADER, encode, forge, part
from support.people import token_for
from taskapi.auth.token import MAX_TOKEN_BYTES, parse
from taskapi.errors import InvalidToken


def refusal_of(token: str | bytes) -> str:
    with pytest.raises(InvalidToken) as refusal:
        parse(token if isinstance(token, bytes) else token.encode())
    return refusal.value.detail


def test_a_token_is_read_into_its_parts() -> None:
    token = parse(forge({"alg": "HS256", "kid": "7"}, {"sub": "1", "exp": 4}).encode())
    assert (token.algorithm, token.key_id) == ("HS256", "7")
    assert token.claims == {"sub": "1", "exp": 4}
    assert len(token.signature) == 32


def test_a_key_id_is_optional() -> None:
    assert parse(token_for("1").encode()).key_id is None


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "not a JWT"),
        ("a.b", "not a JWT"),
        ("a.b.c.d", "not a JWT"),
        ("A" * (MAX_TOKEN_BYTES + 1), "longer than 8192 bytes; sign fewer claims"),
        ("A" * (MAX_TOKEN_BYTES + 1), "Better Auth's definePayload of the plugin jwt()"),
        (f"{'aB3' * 10}xy.aGVsbG8=", "Better Auth session token"),
        (forge([], {}), "header is not a JSON object"),
        (forge(b"{", {}), "header is not well-formed JSON"),
        (forge({}, {}), "names no algorithm"),
        (forge({"alg": "HS256", "kid": 1}, {}), "key id is not a string"),
        (forge({"alg": "HS256", "typ": "JOSE"}, {}), "another type"),
        (forge({"alg": "HS256", "crit": []}, {}), "members that are not accepted"),
        (forge(HEADER, []), "payload is not a JSON object"),
        (forge(HEADER, b'{"a":1,"a":2}'), "payload is not well-formed JSON"),
        (f"{part(HEADER)}.A.AAAA", "payload is not base64url"),
        (f"{part(HEADER)}.{part({})}.AB", "signature is not canonical base64url"),
    ],
)
def test_a_refusal_says_what_is_wrong(token: str, said: str) -> None:
    assert said in refusal_of(token)


SIGNATURE = "N8pVmM1+qZ/kYxw5jJYt0n2cC3v7yT4uLw9sE6bR0Ag="


@pytest.mark.parametrize(
    "signature",
    [
        "",
        f".{SIGNATURE}",
        f".{quote(SIGNATURE, safe='')}",
        f".{SIGNATURE[:-2]}==",
        f".{SIGNATURE[:-1]}",
    ],
)
def test_a_session_token_pasted_by_mistake_is_recognized(signature: str) -> None:
    assert "Better Auth session token" in refusal_of(f"{'aB3' * 10}xy{signature}")


def is_refused(compact: bytes) -> bool:
    """Whether a token is refused; any other exception than a refusal fails the test."""
    try:
        parse(compact)
    except InvalidToken:
        return True
    return False


@given(st.binary(max_size=300) | st.from_regex(rb"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"))
@example(b"\xff.\xff.\xff")
@example(b"e30.e30.")
def test_no_bytes_are_a_token_by_chance(compact: bytes) -> None:
    assert is_refused(compact)


@given(header=st.binary(max_size=100), payload=st.binary(max_size=100))
def test_no_contents_are_a_token_by_chance(header: bytes, payload: bytes) -> None:
    assert is_refused(forge(header, {}).encode())
    assert is_refused(forge(HEADER, payload).encode()) or isinstance(json.loads(payload), dict)


members = st.dictionaries(
    st.text(max_size=10),
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=10),
    max_size=5,
)


@given(claims=members)
def test_any_claims_are_read_as_they_were_written(claims: dict[str, object]) -> None:
    assert parse(forge(HEADER, claims).encode()).claims == claims


@given(signature=st.binary(min_size=1, max_size=600))
def test_any_signature_is_decoded_as_it_was_encoded(signature: bytes) -> None:
    token = f"{part(HEADER)}.{part({})}.{encode(signature)}"
    parsed = parse(token.encode())
    assert parsed.signature == signature
    assert parsed.signed == token.rpartition(".")[0].encode()
