"""Tokens that prove nothing are 401: never 200, never 500 (FR-007, FR-010, SC-008).

Unless a test says otherwise, the signature of each token here is right, so that it is refused for
what the test is about and for nothing else.
"""

import json
import time
from base64 import b64decode, b64encode, urlsafe_b64decode
from itertools import count, pairwise
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.calls import assert_refused
from support.forgery import HEADER, encode, forge, part, signed
from support.people import SECRET, Person, token_for
from taskapi.auth.token import MAX_TOKEN_BYTES

FUTURE = 4_000_000_000
PAST = 1_000_000_000


def asked_with(person: Person, authorization: str | bytes) -> httpx.Response:
    """The answer to a request with this header; spaces around it are none of its value in HTTP."""
    raw = authorization.encode() if isinstance(authorization, str) else authorization
    return person.http.get(person.tasks, headers=[(b"Authorization", raw.strip(b" \t"))])


def assert_invalid(person: Person, token: str, code: str = "invalid_token") -> None:
    response = asked_with(person, f"Bearer {token}")
    assert_refused(response, 401, code)
    challenge = response.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="taskapi", error="invalid_token", error_description=')
    assert challenge.count('"') == 6


def claims_of(person: Person, **changed: object) -> dict[str, object]:
    return {"sub": person.id, "exp": FUTURE, **changed}


# What is right


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS256"},
        {"typ": "JWT", "alg": "HS256"},
        {"alg": "HS256", "typ": "jwt"},
        {"alg": "HS256", "kid": "1"},
        b' {\t"alg" :\r\n"HS256" } ',
        b'{"\\u0061lg": "HS\\u003256"}',
    ],
    ids=str,
)
def test_a_right_token_is_accepted_in_any_spelling_of_its_json(
    alice: Person, header: object
) -> None:
    assert asked_with(alice, f"Bearer {forge(header, claims_of(alice))}").status_code == 200


@pytest.mark.parametrize(
    "more",
    [
        {"exp": FUTURE + 0.5},
        {"nbf": PAST, "iat": PAST},
        {"nbf": 0, "iat": -1.5},
        {"iss": "anybody", "aud": ["anything"], "jti": "x", "nested": [[[{"a": None}]]]},
        {"email": "alice@example.com", "name": "Älice \U0001f382"},
    ],
    ids=str,
)
def test_other_claims_of_better_auth_do_no_harm(alice: Person, more: dict[str, object]) -> None:
    token = forge(HEADER, claims_of(alice, **more))
    assert asked_with(alice, f"Bearer {token}").status_code == 200


# Header: algorithm, extensions, keys of the sender's own

OTHERS = ["hs256", "HS256 ", "HS256\0", "HS-256", "RS256", "ES256", "EdDSA", "PS256", "dir"]
NONE = ["none", "None", "NONE", "nOnE", "none ", "", "null", "plain"]


@pytest.mark.parametrize("algorithm", NONE)
def test_no_spelling_of_alg_none_is_accepted(alice: Person, algorithm: str) -> None:
    text = f"{part({'alg': algorithm})}.{part(claims_of(alice))}"
    for token in (f"{text}.", text, f"{text}.AA", signed(text)):
        assert_invalid(alice, token)


@pytest.mark.parametrize(
    "algorithm",
    [*OTHERS, None, 1, True, ["HS256"], {"HS256": 1}],
    ids=repr,
)
def test_no_algorithm_but_the_keys_own_is_accepted(alice: Person, algorithm: object) -> None:
    assert_invalid(alice, forge({"alg": algorithm}, claims_of(alice)))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_the_secret_answers_to_hs256_alone(alice: Person, algorithm: str) -> None:
    assert_invalid(alice, forge({"alg": algorithm}, claims_of(alice), SECRET, algorithm))


@pytest.mark.parametrize(
    "more",
    [
        {"crit": []},
        {"crit": ["exp"], "exp": FUTURE},
        {"crit": ["b64"], "b64": True},
        {"b64": False},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
        {"jku": "http://127.0.0.1:9/keys"},
        {"x5u": "http://127.0.0.1:9/cert"},
        {"jwk": {"kty": "oct", "k": encode(SECRET.encode())}},
        {"x5c": ["AAAA"]},
        {"x5t": "AAAA"},
        {"x5t#S256": "AAAA"},
        {"Alg": "none"},
        {"unknown": 1},
        {"kid": None},
        {"kid": 1},
        {"kid": ["1"]},
        {"kid": {}},
    ],
    ids=str,
)
def test_a_header_that_asks_for_more_is_refused(alice: Person, more: dict[str, object]) -> None:
    assert_invalid(alice, forge(HEADER | more, claims_of(alice)))


@pytest.mark.parametrize(
    "kind",
    ["", "JWE", "JOSE", "JOSE+JSON", "dpop+jwt", "logout+jwt", " JWT", None, 1, True, ["JWT"]],
)
def test_a_token_of_another_type_is_refused(alice: Person, kind: object) -> None:
    assert_invalid(alice, forge({"alg": "HS256", "typ": kind}, claims_of(alice)))


# Header and payload as JSON

BROKEN_JSON: dict[str, Any] = {
    "null": b"null",
    "array": b"[]",
    "array of pairs": b'[["alg", "HS256"]]',
    "string": b'"HS256"',
    "number": b"1",
    "nothing": b" ",
    "open": b"{",
    "twice": b"{}{}",
    "NaN": b'{"alg": "HS256", "sub": "1", "exp": 4000000000, "x": NaN}',
    "BOM": b'\xef\xbb\xbf{"alg": "HS256", "sub": "1", "exp": 4000000000}',
    "UTF-16": '{"alg": "HS256", "sub": "1", "exp": 4000000000}'.encode("utf-16"),
    "UTF-16 without BOM": '{"alg": "HS256", "sub": "1", "exp": 4000000000}'.encode("utf-16-le"),
    "UTF-32": '{"alg": "HS256", "sub": "1", "exp": 4000000000}'.encode("utf-32-be"),
    "Latin-1": b'{"alg": "HS256", "sub": "1", "exp": 4000000000, "x": "\xe9"}',
    "control character": b'{"alg": "HS256", "sub": "1", "exp": 4000000000, "x": "\n"}',
    "trailing NUL": b'{"alg": "HS256", "sub": "1", "exp": 4000000000}\0',
    "deep": b"[" * 2500,
    "deep and closed": b'{"kid": ' + b"[" * 1250 + b"]" * 1250 + b"}",
    "long number": b'{"alg": "HS256", "kid": ' + b"1" * 4500 + b"}",
}


@pytest.mark.parametrize("name", BROKEN_JSON)
def test_a_header_that_is_no_plain_json_object_is_refused(alice: Person, name: str) -> None:
    assert_invalid(alice, forge(BROKEN_JSON[name], claims_of(alice)))


@pytest.mark.parametrize("name", BROKEN_JSON)
def test_a_payload_that_is_no_plain_json_object_is_refused(someone: Any, name: str) -> None:
    whoever = Person("1", "", someone().http)
    assert_invalid(whoever, forge(HEADER, BROKEN_JSON[name]))


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg": "none", "alg": "HS256"}',
        b'{"alg": "HS256", "alg": "HS256"}',
        b'{"\\u0061lg": "none", "alg": "HS256"}',
        b'{"alg": "HS256", "kid": "1", "kid": "2"}',
    ],
)
def test_a_header_with_a_member_twice_is_refused(alice: Person, header: bytes) -> None:
    assert_invalid(alice, forge(header, claims_of(alice)))


@pytest.mark.parametrize(
    "twice",
    [
        '"sub": "%s", "sub": "1"',
        '"sub": "1", "sub": "%s"',
        '"sub": "%s", "s\\u0075b": "%s"',
        '"sub": "%s", "exp": 1, "exp": 4000000000',
        '"sub": "%s", "x": {"a": 1, "a": 1}',
    ],
)
def test_claims_with_a_member_twice_are_refused(alice: Person, twice: str) -> None:
    payload = '{"exp": 4000000000, ' + twice.replace("%s", alice.id) + "}"
    assert_invalid(alice, forge(HEADER, payload.encode()))


# Claims

NO_TIMES = [
    '"4000000000"',
    '"4_000_000_000"',
    '"\u0664\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660"',
    '"2100-01-01T00:00:00Z"',
    '""',
    "true",
    "null",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "9" * 400,
    "9" * 4400,
    "[4000000000]",
    "{}",
]


@pytest.mark.parametrize("value", NO_TIMES, ids=lambda value: ascii(value[:20]))
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_a_time_that_is_no_finite_number_is_refused(alice: Person, claim: str, value: str) -> None:
    rest = json.dumps({"sub": alice.id} | ({} if claim == "exp" else {"exp": FUTURE}))
    payload = f'{rest[:-1]}, "{claim}": {value}}}'
    assert_invalid(alice, forge(HEADER, payload.encode()))


def test_a_token_without_expiry_is_refused(alice: Person) -> None:
    assert_invalid(alice, forge(HEADER, {"sub": alice.id}))


@pytest.mark.parametrize("expiry", [PAST, 0, -1, 1.5, -1e300])
def test_a_token_that_has_expired_says_so(alice: Person, expiry: float) -> None:
    assert_invalid(alice, forge(HEADER, claims_of(alice, exp=expiry)), "token_expired")


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_of_the_future_is_refused(alice: Person, claim: str) -> None:
    assert_invalid(alice, forge(HEADER, claims_of(alice, **{claim: FUTURE})))


def test_clocks_may_differ_by_half_a_minute_and_no_more(alice: Person) -> None:
    now = time.time()
    for claims in ({"exp": now - 15}, {"nbf": now + 15}, {"iat": now + 15}):
        token = forge(HEADER, claims_of(alice, **claims))
        assert asked_with(alice, f"Bearer {token}").status_code == 200
    assert_invalid(alice, forge(HEADER, claims_of(alice, exp=now - 31)), "token_expired")
    for early in ("nbf", "iat"):
        assert_invalid(alice, forge(HEADER, claims_of(alice, **{early: now + 60})))


NO_IDS = ["", " ", "0", "-1", "+1", "01", "1.0", "1e3", "1 ", " 1", "1\n", "1\0", "\0", "1\x1b[2J"]
NO_IDS += ["1\x7f", "\ud800", "1\udc00", "\u0661", "\uff11", "1_0", "0x1", "abc", str(2**63)]


@pytest.mark.parametrize(
    "subject",
    [*NO_IDS, "1" * 5000, 1, 1.0, True, None, [], ["1"], {}, {"id": "1"}],
    ids=ascii,
)
def test_a_subject_that_is_no_integer_id_in_a_string_is_refused(
    alice: Person, subject: object
) -> None:
    assert_invalid(alice, forge(HEADER, {"sub": subject, "exp": FUTURE}))


@pytest.mark.parametrize(
    "claim", ["id", "user_id", "uid", "email", "username", "Sub", "SUB", "sub "]
)
def test_no_other_claim_is_taken_for_the_subject(alice: Person, claim: str) -> None:
    assert_invalid(alice, forge(HEADER, {claim: alice.id, "exp": FUTURE}))


def test_the_token_of_an_email_verification_link_is_refused(alice: Person) -> None:
    """Better Auth signs those with the same secret."""
    claims = {"email": "alice@example.com", "iat": PAST, "exp": FUTURE}
    assert_invalid(alice, forge(HEADER, claims))


def test_better_auths_session_cookie_is_refused_with_a_detail_that_helps(alice: Person) -> None:
    claims = {"session": {"userId": alice.id}, "user": {"id": alice.id}, "exp": FUTURE}
    token = forge(HEADER, claims)
    assert_invalid(alice, token)
    assert "authClient.token()" in asked_with(alice, f"Bearer {token}").json()["detail"]


@pytest.mark.parametrize("tail", ["aGVsbG8", "aGVsbG8=", "aGVs+bG8/", "aGVsbG8%3D"])
def test_better_auths_session_token_is_refused_with_a_detail_that_helps(
    alice: Person, tail: str
) -> None:
    token = f"{'aB3' * 10}xy.{tail}"
    assert_invalid(alice, token)
    assert "authClient.token()" in asked_with(alice, f"Bearer {token}").json()["detail"]


# Signature


@pytest.mark.parametrize(
    "secret",
    ["", " ", SECRET[:-1], SECRET + "\1", SECRET.upper(), f" {SECRET}", SECRET[::-1], "secret" * 9],
)
def test_another_secret_proves_nothing(alice: Person, secret: str) -> None:
    assert_invalid(alice, forge(HEADER, claims_of(alice), secret))


def test_a_signature_belongs_to_one_header_and_payload(alice: Person, bob: Person) -> None:
    header, payload, _ = token_for(bob.id).split(".")
    signature = token_for(alice.id).split(".")[2]
    assert_invalid(bob, f"{header}.{payload}.{signature}")
    assert_invalid(alice, f"{header}.{part(claims_of(alice))}.{signature}")


@pytest.mark.parametrize("size", [0, 1, 16, 31, 33, 64])
def test_a_signature_of_another_size_is_refused(alice: Person, size: int) -> None:
    header, payload, signature = token_for(alice.id).split(".")
    right = urlsafe_b64decode(signature + "=")
    other = (right * 2)[:size]
    assert_invalid(alice, f"{header}.{payload}.{encode(other)}")


# Encoding: one spelling for every token

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def with_other_trailing_bits(text: str) -> str:
    """The same bytes for a decoder that ignores the bits which the last character has too many."""
    assert len(text) % 4 in {2, 3}
    return text[:-1] + ALPHABET[ALPHABET.index(text[-1]) + 1]


def parts_with_slack(person: Person) -> tuple[str, str]:
    """A header and a payload whose last characters have unused bits."""
    header, payload = b'{"alg":"HS256"}  ', json.dumps(claims_of(person)).encode()
    while len(payload) % 3 == 0:
        payload += b" "
    return part(header), part(payload)


def test_unused_bits_must_be_zero(alice: Person) -> None:
    header, payload = parts_with_slack(alice)
    right = signed(f"{header}.{payload}")
    assert asked_with(alice, f"Bearer {right}").status_code == 200
    assert_invalid(alice, signed(f"{with_other_trailing_bits(header)}.{payload}"))
    assert_invalid(alice, signed(f"{header}.{with_other_trailing_bits(payload)}"))
    assert_invalid(alice, with_other_trailing_bits(right))


@pytest.mark.parametrize("added", ["=", "==", "A", " ", "%3D", "\t", "+", "/", "?", "!", "é"])
def test_nothing_may_be_added_to_a_part(alice: Person, added: str) -> None:
    header, payload = parts_with_slack(alice)
    assert_invalid(alice, signed(f"{header}{added}.{payload}"))
    assert_invalid(alice, signed(f"{added}{header}.{payload}"))
    assert_invalid(alice, signed(f"{header}.{payload}{added}"))
    if not added.isspace():  # which HTTP takes off the end of a header
        assert_invalid(alice, signed(f"{header}.{payload}") + added)


def test_the_standard_alphabet_is_refused(alice: Person) -> None:
    payload = json.dumps(claims_of(alice, name="\U0001f382???>>>~~~"), ensure_ascii=False).encode()
    standard = b64encode(payload).decode().rstrip("=")
    assert "+" in standard or "/" in standard
    assert asked_with(alice, f"Bearer {forge(HEADER, payload)}").status_code == 200
    assert_invalid(alice, signed(f"{part(HEADER)}.{standard}"))


def test_a_token_has_three_parts(alice: Person) -> None:
    token = token_for(alice.id)
    header, payload, signature = token.split(".")
    for other in (
        "",
        ".",
        "..",
        "...",
        header,
        f"{header}.{payload}",
        f"{header}.{payload}.",
        f".{payload}.{signature}",
        f"{header}..{signature}",
        f"{token}.",
        f".{token}",
        f"{token}.{signature}",
        f"{payload}.{header}.{signature}",
        f"{header}:{payload}:{signature}",
        f"{token},{token}",
        f"{token} {token}",
        f'"{token}"',
        token.upper(),
        token.replace(".", "%2E"),
    ):
        assert_invalid(alice, other)


def test_json_serialization_and_encryption_are_refused(alice: Person) -> None:
    """RFC 7515, 7.2 and RFC 7516, 7.1."""
    header, payload, signature = token_for(alice.id).split(".")
    flattened = {"payload": payload, "protected": header, "signature": signature}
    general = {"payload": payload, "signatures": [{"protected": header, "signature": signature}]}
    assert_invalid(alice, json.dumps(flattened))
    assert_invalid(alice, json.dumps(general))
    encrypted = part({"alg": "dir", "enc": "A128GCM"})
    assert_invalid(alice, f"{encrypted}..{encode(b'x' * 12)}.{payload}.{encode(b'x' * 16)}")


def test_a_token_has_at_most_8_kib(alice: Person) -> None:
    growing = (forge(HEADER, claims_of(alice, name="x" * size)) for size in count(5500))
    within, beyond = next(pair for pair in pairwise(growing) if len(pair[1]) > MAX_TOKEN_BYTES)
    assert len(within) > MAX_TOKEN_BYTES - 4
    assert asked_with(alice, f"Bearer {within}").status_code == 200
    assert_invalid(alice, beyond)


@pytest.mark.parametrize("nested", [b"[" * 40_000, b'{"a":' * 8_000])
def test_a_token_of_many_levels_is_refused(alice: Person, nested: bytes) -> None:
    assert_invalid(alice, forge(HEADER, nested))
    assert_invalid(alice, forge(nested, claims_of(alice)))


# Where a token is, and is not, looked for


def test_a_token_anywhere_but_in_the_header_is_no_token(alice: Person) -> None:
    token = alice.token
    for options in (
        {"params": {"access_token": token}},
        {"params": {"token": token}},
        {"headers": {"Cookie": f"token={token}; better-auth.session_token={token}"}},
        {"headers": {"X-Authorization": f"Bearer {token}"}},
        {"headers": {"Proxy-Authorization": f"Bearer {token}"}},
        {"headers": {"X-Access-Token": token}},
    ):
        response = alice.http.get(alice.tasks, **options)  # type: ignore[arg-type]  # httpx names each
        assert_refused(response, 401, "not_authenticated")


@pytest.mark.parametrize(
    "scheme", ["", "Basic ", "Token ", "JWT ", "Digest ", "Bearer", "Bearer\t"]
)
def test_a_token_of_another_scheme_is_no_token(alice: Person, scheme: str) -> None:
    response = asked_with(alice, f"{scheme}{alice.token}")
    assert_refused(response, 401, "not_authenticated")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_read_in_any_case(alice: Person, scheme: str) -> None:
    assert asked_with(alice, f"{scheme} {alice.token}").status_code == 200


def test_a_scheme_without_a_token_is_401(alice: Person) -> None:
    assert_refused(asked_with(alice, "Bearer"), 401, "invalid_token")


@pytest.mark.parametrize("other", ["Bearer nonsense", "Basic eDp5", "", None])
def test_two_authorization_headers_are_refused(alice: Person, other: str | None) -> None:
    """Also two equal ones: what stands in between might look at the other one."""
    right = f"Bearer {alice.token}".encode()
    second = right if other is None else other.encode()
    for pair in ((right, second), (second, right)):
        response = alice.http.get(alice.tasks, headers=[(b"Authorization", one) for one in pair])
        assert_refused(response, 401, "invalid_token")


@pytest.mark.parametrize(
    "authorization", [b"Bearer \xff\xfe", b"\xff", b"Bearer \xe2\x80\xae", b"Bearer " + b"." * 9000]
)
def test_bytes_that_are_no_text_are_401(alice: Person, authorization: bytes) -> None:
    assert asked_with(alice, authorization).status_code == 401


# Whatever is done to a token: only the very same bytes are accepted


@st.composite
def mutations(draw: st.DrawFn, token: str) -> str:
    """A token with one thing changed, now and then back to what it was."""
    start = draw(st.integers(0, len(token)))
    end = draw(st.integers(start, min(len(token), start + 8)))
    cut = token[start:end]
    character = draw(st.characters(codec="ascii", exclude_categories=["Cc"]))
    return draw(
        st.sampled_from(
            [
                token[:start] + character + token[start + 1 :],
                token[:start] + character + token[start:],
                token[:start] + token[end:],
                token[:start],
                token[start:],
                token[:start] + cut * 2 + token[end:],
                token[:start] + cut[::-1] + token[end:],
                token[:start] + cut.swapcase() + token[end:],
                token[start:] + token[:start],
                ".".join(draw(st.permutations(token.split(".")))),
            ]
        )
    )


one_alice = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@one_alice
@given(data=st.data())
def test_of_all_mutations_of_a_token_only_itself_is_accepted(
    alice: Person, data: st.DataObject
) -> None:
    token = forge(HEADER, claims_of(alice))
    mutated = data.draw(mutations(token))
    status = asked_with(alice, f"Bearer {mutated}").status_code
    assert status == (200 if mutated.strip(" ") == token else 401)


@one_alice
@given(data=st.data())
def test_of_all_other_codings_of_a_part_only_itself_is_accepted(
    alice: Person, data: st.DataObject
) -> None:
    """The bytes of a part are changed and encoded again, without the secret to sign them."""
    parts = forge(HEADER, claims_of(alice)).split(".")
    which = data.draw(st.integers(0, 2))
    content = b64decode(parts[which] + "==", altchars=b"-_")
    position = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[position] = data.draw(st.integers(0, 255))
    parts[which] = encode(bytes(changed))
    status = asked_with(alice, f"Bearer {'.'.join(parts)}").status_code
    assert status == (200 if bytes(changed) == content else 401)


@one_alice
@given(text=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=200))
def test_no_other_text_is_accepted(alice: Person, text: str) -> None:
    for authorization in (text, f"Bearer {text}"):
        assert asked_with(alice, authorization).status_code == 401
