"""Keys: each bound to its algorithm; the shared secret as UTF-8; the local secret as a file."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.forgery import HEADER, forge
from taskapi.auth.claims import ClaimsPolicy
from taskapi.auth.development import mint
from taskapi.auth.keys import shared_secret
from taskapi.auth.token import parse
from taskapi.embedded.secret import local_secret
from taskapi.errors import InvalidToken

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "secret", [SECRET, "ü" * 16, "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="]
)
def test_the_utf_8_bytes_of_a_secret_are_its_key(secret: str) -> None:
    """No base64 is decoded, and nothing derived: so Better Auth signs."""
    shared_secret(secret).verify(parse(forge(HEADER, {}, secret).encode()))


@pytest.mark.parametrize("other", [SECRET.upper(), SECRET[:-1], f"{SECRET}x", f"{SECRET}\n"])
def test_another_secret_is_refused(other: str) -> None:
    with pytest.raises(InvalidToken, match="signature is wrong"):
        shared_secret(SECRET).verify(parse(forge(HEADER, {}, other).encode()))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_secret_answers_to_hs256_alone(algorithm: str) -> None:
    token = forge({"alg": algorithm}, {}, SECRET, algorithm)
    with pytest.raises(InvalidToken, match="not that of its key"):
        shared_secret(SECRET).verify(parse(token.encode()))


def test_a_minted_token_is_one_that_the_service_accepts() -> None:
    check = ClaimsPolicy("integer", "https://auth.example.com", "https://api.example.com")
    token = parse(mint(SECRET, "7", check, 60).encode())
    shared_secret(SECRET).verify(token)
    assert check.user_of(token.claims).id == 7


def test_the_local_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "made" / "here"
    secret = local_secret(directory)
    assert len(secret.encode()) >= 32
    assert local_secret(directory) == secret
    assert (directory / "secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in directory.iterdir()] == ["secret"]


def test_no_two_directories_share_a_secret(tmp_path: Path) -> None:
    assert local_secret(tmp_path / "one") != local_secret(tmp_path / "two")


def test_of_many_services_that_start_at_once_all_get_the_same_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as services:
        secrets = list(services.map(local_secret, [tmp_path / "shared"] * 64))
    assert len(set(secrets)) == 1
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["secret"]
