"""The claims: for us, for now, and of whom."""

import time
from pathlib import Path

import pytest

from taskapi.auth.claims import ClaimsPolicy, User
from taskapi.auth.token import parse
from taskapi.errors import InvalidToken, TokenExpired

FUTURE = 4_000_000_000

INTEGER = ClaimsPolicy("integer", None, None)
TEXT = ClaimsPolicy("text", None, None)
STRICT = ClaimsPolicy("integer", "https://auth.example.com", "https://api.example.com")

RIGHT = {"iss": "https://auth.example.com", "aud": "https://api.example.com"}


def claims(**changed: object) -> dict[str, object]:
    return {"sub": "7", "exp": FUTURE, **changed}


def refusal_of(policy: ClaimsPolicy, claims: dict[str, object]) -> str:
    with pytest.raises(InvalidToken) as refusal:
        policy.user_of(claims)
    return refusal.value.detail


@pytest.mark.parametrize("subject", ["1", "7", "9223372036854775807"])
def test_an_integer_id_is_kept_as_it_stands_in_the_path_and_as_the_database_has_it(
    subject: str,
) -> None:
    assert INTEGER.user(subject) == User(subject, int(subject))


@pytest.mark.parametrize(
    "subject", ["0", "-7", "07", "9223372036854775808", "Kx3mQ9vT2bLw", "\u0667"]
)
def test_what_is_no_integer_id_is_refused_with_the_setting_to_look_at(subject: str) -> None:
    assert "USER_ID_TYPE" in refusal_of(INTEGER, claims(sub=subject))


@pytest.mark.parametrize(
    "subject",
    ["7", "007", "Kx3mQ9vT2bLw8sDf5gHj1kZx4cVb6nMq", "a@b.example", "日本", "a/b", " ", "x" * 255],
)
def test_a_text_id_is_any_printable_text(subject: str) -> None:
    assert TEXT.user(subject) == User(subject, subject)


@pytest.mark.parametrize(
    "subject",
    ["", "x" * 256, "\0", "a\nb", "\x1b[", "\x7f", "\x85", "\ud800", "\u2028", "a\ufffd", 7, None],
    ids=ascii,
)
def test_a_text_id_that_could_spoil_a_log_or_a_row_is_refused(subject: object) -> None:
    refusal_of(TEXT, claims(sub=subject))


@pytest.mark.parametrize("policy", [INTEGER, TEXT], ids=["integer", "text"])
def test_a_subject_that_is_missing_is_told_from_one_that_is_not_a_string(
    policy: ClaimsPolicy,
) -> None:
    assert "names no user" in refusal_of(policy, {"exp": FUTURE})
    assert "(sub) is empty" in refusal_of(policy, claims(sub=""))
    for subject, kind in (
        (7, "a number"),
        (7.5, "a number"),
        (None, "null"),
        (True, "true or false"),
        (["7"], "an array"),
        ({"id": "7"}, "an object"),
    ):
        detail = refusal_of(policy, claims(sub=subject))
        assert f"(sub) is {kind} and must be a string" in detail
        assert "getSubject" in detail


def test_the_page_explains_what_only_the_auth_server_can_change() -> None:
    pages = Path(__file__).parents[2]
    with pytest.raises(InvalidToken) as too_long:
        parse(b"A" * 10_000)
    for detail in (
        too_long.value.detail,
        refusal_of(INTEGER, claims(sub=7)),
        refusal_of(INTEGER, claims(sub="")),
        refusal_of(INTEGER, claims(sub="Kx3mQ9vT2bLw")),
        refusal_of(INTEGER, {"exp": FUTURE}),
    ):
        assert f"| 401 | {detail} |" in (pages / "docs/better-auth.md").read_text()
    assert "definePayload" in (pages / "README.md").read_text()


@pytest.mark.parametrize("audience", [RIGHT["aud"], [RIGHT["aud"]], ["other", RIGHT["aud"]]])
def test_the_audience_is_ours_or_holds_us(audience: object) -> None:
    assert STRICT.user_of(claims(**RIGHT | {"aud": audience})).id == 7


@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        1,
        True,
        [],
        ["other"],
        "https://api.example.com/",
        "https://api.example.com.evil.example",
        ["https://api.example.com/"],
        [["https://api.example.com"]],
        {"https://api.example.com": 1},
    ],
    ids=str,
)
def test_another_audience_is_refused(audience: object) -> None:
    assert "another audience" in refusal_of(STRICT, claims(**RIGHT | {"aud": audience}))


@pytest.mark.parametrize(
    "issuer",
    [None, "", "https://auth.example.com/", "http://auth.example.com", [RIGHT["iss"]]],
    ids=str,
)
def test_another_issuer_is_refused(issuer: object) -> None:
    assert "another issuer" in refusal_of(STRICT, claims(**RIGHT | {"iss": issuer}))


def test_issuer_and_audience_must_be_there_where_they_are_known() -> None:
    assert "another issuer" in refusal_of(STRICT, claims(aud=RIGHT["aud"]))
    assert "another audience" in refusal_of(STRICT, claims(iss=RIGHT["iss"]))


def test_where_they_are_not_known_they_may_be_anything() -> None:
    assert INTEGER.user_of(claims(iss=1, aud={})).id == 7


def test_times_are_read_to_the_half_minute() -> None:
    now = time.time()
    assert INTEGER.user_of(claims(exp=now - 20, nbf=now + 20, iat=now + 20)).id == 7
    with pytest.raises(TokenExpired):
        INTEGER.user_of(claims(exp=now - 31))
    assert "(nbf)" in refusal_of(INTEGER, claims(nbf=now + 60))
    assert "(iat)" in refusal_of(INTEGER, claims(iat=now + 60))


@pytest.mark.parametrize("value", ["1", True, None, [], {}, float("nan"), float("inf"), 10**400])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_time_is_a_finite_number(name: str, value: object) -> None:
    detail = refusal_of(INTEGER, claims(**{name: value}))
    assert detail.startswith(f"The token's {name} is not a ")


def test_what_has_expired_says_so_before_anything_else_is_looked_at() -> None:
    """So that a client fetches a new one, whatever else has changed meanwhile."""
    with pytest.raises(TokenExpired):
        STRICT.user_of({"exp": 1})
