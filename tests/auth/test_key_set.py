"""Tokens signed with the keys of a key set, from key servers that behave and that do not."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from structlog.testing import CapturingLogger

from support.key_server import MAKERS, KeyServer, Start, ask, encode, make_key, public, sign
from support.people import SECRET
from taskapi.auth import key_set
from taskapi.auth.key_set import keys_of
from taskapi.config import Settings, SettingsError, load
from taskapi.database.url import DatabaseUrl


def forge(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """An HS256 token keyed with anything at all, which joserfc would refuse to make."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in (header, claims)]
    signed = b".".join(part.rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret, signed, "sha256")).rstrip(b"=")
    return (signed + b"." + signature).decode()


@pytest.mark.parametrize("algorithm", MAKERS)
def test_the_address_of_the_auth_server_is_enough(
    algorithm: str, auth: KeyServer, start: Start
) -> None:
    key = make_key(algorithm)
    auth.publish(key)
    assert ask(start(), sign(key, auth)).status_code == 200


def test_a_key_server_of_another_address_may_be_named(auth: KeyServer, start: Start) -> None:
    key = make_key()
    auth.publish(key)
    client = start(better_auth_url=None, better_auth_jwks_url=f"{auth.origin}/keys.json")
    assert ask(client, sign(key, auth, iss="anybody")).status_code == 200


@pytest.mark.parametrize(
    ("claim", "value", "status"),
    [
        ("iss", "http://elsewhere", 401),
        ("iss", None, 401),
        ("iss", ["{origin}"], 401),
        ("aud", "http://elsewhere", 401),
        ("aud", None, 401),
        ("aud", [], 401),
        ("aud", ["http://elsewhere", "{origin}"], 200),
        ("aud", {"{origin}": 1}, 401),
    ],
)
def test_issuer_and_audience_must_be_the_auth_servers_origin(
    claim: str, value: object, status: int, auth: KeyServer, start: Start
) -> None:
    key = make_key()
    auth.publish(key)
    value = json.loads(json.dumps(value).replace("{origin}", auth.origin))
    assert ask(start(), sign(key, auth, **{claim: value})).status_code == status


def test_issuer_and_audience_can_be_named_apart(auth: KeyServer, start: Start) -> None:
    key = make_key()
    auth.publish(key)
    client = start(jwt_issuer="the issuer", jwt_audience="tasks")
    assert ask(client, sign(key, auth, iss="the issuer", aud="tasks")).status_code == 200
    assert ask(client, sign(key, auth)).status_code == 401


def test_redirects_are_not_followed(auth: KeyServer, start: Start) -> None:
    key = make_key()
    other = KeyServer()
    other.publish(key)
    auth.status, auth.headers = 302, {"Location": f"{other.origin}/keys"}
    try:
        assert ask(start(), sign(key, auth)).status_code == 503
        assert other.fetches == 0
    finally:
        other.stop()


def test_keys_that_a_token_brings_along_are_never_used(auth: KeyServer, start: Start) -> None:
    known, own = make_key(), make_key()
    auth.publish(known)
    client = start()
    other = KeyServer()
    other.publish(own)
    offers: list[dict[str, Any]] = [
        {"jwk": own.as_dict(private=False)},
        {"jku": f"{other.origin}/keys"},
        {"x5u": f"{other.origin}/keys"},
    ]
    try:
        for offer in offers:
            claims = {"sub": "7", "exp": time.time() + 60, "iss": auth.origin, "aud": auth.origin}
            token = encode({"alg": "EdDSA", "kid": "1", **offer}, claims, own)
            assert ask(client, token).status_code == 401
        assert other.fetches == 0
    finally:
        other.stop()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_public_key_is_never_a_secret(algorithm: str, auth: KeyServer, start: Start) -> None:
    """Key confusion: HS256 keyed with each spelling of the public key, with a secret configured."""
    key = make_key(algorithm)
    auth.publish(key)
    client = start(better_auth_secret=SECRET)
    raw = key.public_key
    pem = raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = raw.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    jwk = json.dumps(key.as_dict(private=False))
    spellings = [pem, pem.strip(), b"".join(pem.splitlines()[1:-1]), der, jwk.encode()]
    for spelling in spellings:
        claims = {"sub": "7", "exp": time.time() + 60, "iss": auth.origin, "aud": auth.origin}
        for header in ({"alg": "HS256"}, {"alg": "HS256", "kid": "1"}):
            assert ask(client, forge(header, claims, spelling)).status_code == 401
    assert ask(client, sign(key, auth)).status_code == 200


def test_secret_and_key_set_work_side_by_side(auth: KeyServer, start: Start) -> None:
    key = make_key()
    auth.publish(key)
    client = start(better_auth_secret=SECRET)
    claims = {"sub": "7", "exp": time.time() + 60, "iss": auth.origin, "aud": auth.origin}
    assert ask(client, sign(key, auth)).status_code == 200
    assert (
        ask(client, encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))).status_code == 200
    )


def test_a_key_answers_to_its_own_algorithm_alone(auth: KeyServer, start: Start) -> None:
    key = make_key("RS256")
    auth.publish(key)
    client = start()
    claims = {"sub": "7", "exp": time.time() + 60, "iss": auth.origin, "aud": auth.origin}
    unbound = RSAKey.import_key(key.as_pem(private=True))
    assert ask(client, encode({"alg": "PS256", "kid": "1"}, claims, unbound)).status_code == 401
    assert ask(client, sign(key, auth)).status_code == 200


@pytest.mark.parametrize(("of_token", "of_key"), [("Ed25519", "EdDSA"), ("EdDSA", "Ed25519")])
def test_two_names_of_one_algorithm_are_the_same(
    of_token: str, of_key: str, auth: KeyServer, start: Start
) -> None:
    """RFC 9864: `EdDSA` with a key of Ed25519 is what is called `Ed25519` now."""
    key = make_key(of_key)
    renamed = key.as_dict(private=True) | {"alg": of_token}
    auth.publish(key)
    client = start()
    assert ask(client, sign(OKPKey.import_key(renamed), auth)).status_code == 200
    assert ask(client, sign(key, auth)).status_code == 200


@pytest.mark.parametrize("algorithm", ["EdDSA", "Ed25519", "ES256", "ES512", "RS256"])
def test_a_key_that_names_no_algorithm_has_the_one_of_its_type(
    algorithm: str, auth: KeyServer, start: Start
) -> None:
    key = make_key(algorithm)
    published = key.as_dict(private=False)
    del published["alg"]
    auth.body = json.dumps({"keys": [published]}).encode()
    assert ask(start(), sign(key, auth)).status_code == 200


@pytest.mark.parametrize("algorithm", ["Ed448", "ESP256", "EdDSA ", "ed25519"])
def test_a_token_of_an_algorithm_that_is_none_of_ours_is_refused(
    algorithm: str, auth: KeyServer, start: Start
) -> None:
    key = make_key()
    auth.publish(key)
    claims = {"sub": "7", "exp": time.time() + 60, "iss": auth.origin, "aud": auth.origin}
    response = ask(start(), forge({"alg": algorithm, "kid": "1"}, claims, b"any"))
    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
    assert response.json()["detail"] == "The token's algorithm is not accepted here."


def test_a_token_without_a_key_id_is_refused(auth: KeyServer, start: Start) -> None:
    key = make_key()
    auth.publish(key)
    claims = {"sub": "7", "exp": time.time() + 60, "iss": auth.origin, "aud": auth.origin}
    assert ask(start(), encode({"alg": "EdDSA"}, claims, key)).status_code == 401


REFUSED_KEYS: dict[str, Callable[[], dict[str, Any]]] = {
    "private": lambda: dict(make_key(kid="bad").as_dict(private=True)),
    "secret": lambda: {"kty": "oct", "k": "AAAA", "kid": "bad", "alg": "HS256"},
    "small": lambda: dict(RSAKey.generate_key(1024, {"kid": "bad"}).as_dict(private=False)),
    "other algorithm": lambda: make_key(kid="bad").as_dict(private=False) | {"alg": "RS256"},
    "other curve": lambda: dict(ECKey.generate_key("P-384", {"kid": "bad"}).as_dict(private=False)),
    "for encryption": lambda: make_key(kid="bad").as_dict(private=False) | {"use": "enc"},
    "for signing": lambda: make_key(kid="bad").as_dict(private=False) | {"key_ops": ["sign"]},
    "no point": lambda: make_key(kid="bad").as_dict(private=False) | {"x": "AAAA"},
    "Ed448": lambda: dict(OKPKey.generate_key("Ed448", {"kid": "bad"}).as_dict(private=False)),
    "called Ed448": lambda: make_key(kid="bad").as_dict(private=False) | {"alg": "Ed448"},
    "Ed448, called Ed25519": lambda: {
        **OKPKey.generate_key("Ed448", {"kid": "bad"}).as_dict(private=False),
        "alg": "Ed25519",
    },
    "called as in COSE": lambda: (
        make_key("ES256", kid="bad").as_dict(private=False) | {"alg": "ESP256"}
    ),
    "number as id": lambda: make_key(kid="bad").as_dict(private=False) | {"kid": 7},
}


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> CapturingLogger:
    """What the key set logs."""
    logger = CapturingLogger()
    monkeypatch.setattr(key_set, "log", logger)
    return logger


@pytest.mark.parametrize("kind", REFUSED_KEYS)
@pytest.mark.filterwarnings("ignore:.*size.*")
def test_a_bad_key_is_left_out_and_said(kind: str, logged: CapturingLogger) -> None:
    good = make_key(kid="good").as_dict(private=False)
    assert list(keys_of({"keys": [REFUSED_KEYS[kind](), good]})) == ["good"]
    assert [call.args for call in logged.calls] == [("key_refused",)]


def test_two_keys_of_one_id_are_both_left_out(logged: CapturingLogger) -> None:
    keys = [make_key(kid="same"), make_key("ES256", kid="same"), make_key(kid="good")]
    assert list(keys_of(public(*keys))) == ["good"]
    assert logged.calls[0].kwargs == {"kid": "same", "reason": "several keys have this id"}


def test_with_a_database_somebodys_tokens_must_be_trusted(
    monkeypatch: pytest.MonkeyPatch, database: DatabaseUrl
) -> None:
    monkeypatch.setenv("DATABASE_URL", database.dsn)
    with pytest.raises(SettingsError, match="whose tokens to trust"):
        load(Settings)
