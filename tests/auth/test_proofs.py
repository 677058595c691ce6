"""A token that was verified before is not verified again, as long as that would change nothing."""

import asyncio
import sys
import time
from collections.abc import Iterator
from types import FrameType

import pytest

from support.forgery import HEADER, forge
from support.key_server import KeyServer, Start, ask, make_key, sign
from support.people import SECRET
from support.waiting import eventually
from taskapi.auth import key_set, proofs
from taskapi.auth.access_token import AccessTokenPolicy
from taskapi.auth.claims import LEEWAY, ClaimsPolicy
from taskapi.auth.keys import VerificationKey, shared_secret
from taskapi.auth.verifier import Verifier
from taskapi.errors import InvalidToken, TokenExpired

USERS = ClaimsPolicy("integer", None, None)
RESOURCES = {path: AccessTokenPolicy("https://auth", f"https://api{path}", USERS) for path in "ab"}

FOREVER = 2**33


@pytest.fixture
def verifier() -> Verifier:
    return Verifier(USERS, secret=shared_secret(SECRET), access=RESOURCES)


@pytest.fixture
def verified() -> Iterator[list[str]]:
    """The keys that have checked a signature, in turn: of this thread, so in one loop with it."""
    seen: list[str] = []

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is VerificationKey.verify.__code__:
            seen.append("verified")

    sys.setprofile(watch)
    yield seen
    sys.setprofile(None)


def user_of(verifier: Verifier, token: str, resource: str = "") -> object:
    return asyncio.run(verifier.user_of(token.encode(), resource))


def token(**claims: object) -> str:
    return forge(HEADER, {"sub": "7", "exp": FOREVER} | claims)


def test_a_token_is_verified_once(verifier: Verifier, verified: list[str]) -> None:
    first, *others = [user_of(verifier, token()) for _ in range(3)]
    assert others == [first, first]
    assert len(verified) == 1


def test_no_other_bytes_profit_from_it(verifier: Verifier) -> None:
    right = token()
    user_of(verifier, right)
    for place in range(len(right)):
        wrong = right[:place] + ("A" if right[place] != "A" else "B") + right[place + 1 :]
        with pytest.raises(InvalidToken):
            user_of(verifier, wrong)


def test_what_is_refused_is_refused_again(verifier: Verifier, verified: list[str]) -> None:
    for _ in range(2):
        with pytest.raises(InvalidToken):
            user_of(verifier, forge(HEADER, {"sub": "7", "exp": FOREVER}, secret="x" * 32))
    assert len(verified) == 2


def test_a_token_is_refused_when_it_has_expired(verifier: Verifier) -> None:
    """After its expiry it is accepted for the difference of clocks, and then not."""
    short = token(exp=time.time() - LEEWAY + 0.3)
    user_of(verifier, short)

    def refused() -> bool:
        try:
            user_of(verifier, short)
        except TokenExpired:
            return True
        return False

    eventually(refused, "the token has expired")


def test_an_end_is_moved_by_the_difference_of_clocks_once(verifier: Verifier) -> None:
    """A stream of a token that expires meanwhile ends at a time to come (`User.expires_at`)."""
    soon = token(exp=time.time() + 0.3)
    before = verifier.policy.user_of({"sub": "7", "exp": time.time() + 1})
    assert user_of(verifier, soon).expires_at < before.expires_at  # type: ignore[attr-defined]  # a user
    eventually(
        lambda: user_of(verifier, soon).expires_at > time.time() + LEEWAY / 2,  # type: ignore[attr-defined]  # a user
        "the token is used a little longer",
    )


def test_a_proof_holds_for_the_resource_that_it_was_for(verifier: Verifier) -> None:
    header = HEADER | {"typ": "at+jwt"}
    claims = {"sub": "7", "exp": FOREVER, "iss": "https://auth", "client_id": "x"}
    of_a = forge(header, claims | {"aud": "https://apia"})
    user_of(verifier, of_a, "a")
    with pytest.raises(InvalidToken):
        user_of(verifier, of_a, "b")
    with pytest.raises(InvalidToken):
        user_of(verifier, of_a)


def test_proofs_are_bounded(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "MAX_PROOFS", 3)
    for number in range(10):
        user_of(verifier, token(jti=number))
    assert len(verifier.proofs) == 3
    for _ in range(10):
        user_of(verifier, token(exp=time.time() - 1))  # expires, so that it is proven again
    assert len(verifier.proofs) == 3


def test_another_key_of_the_same_id_ends_the_proofs_of_the_first(
    auth: KeyServer, start: Start, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_set, "REFRESH_AGE", 0.0)
    monkeypatch.setattr(key_set, "FRESH_AGE", 0.0)
    first, second = make_key(kid="1"), make_key(kid="1")
    auth.publish(first)
    client = start()
    assert ask(client, sign(first, auth)).status_code == 200
    old = sign(first, auth)
    assert ask(client, old).status_code == 200
    auth.publish(second)
    assert ask(client, old).status_code == 401
    assert ask(client, sign(second, auth)).status_code == 200


def test_a_token_that_is_proven_again_takes_no_others_place(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proofs, "MAX_PROOFS", 2)
    first, second = token(jti=1).encode(), token(jti=2).encode()
    for compact in (first, second):
        asyncio.run(verifier.user_of(compact))
    again = verifier.proofs.of(second, "")
    assert again is not None
    verifier.proofs.keep(second, "", again)
    assert verifier.proofs.of(first, "") is not None
