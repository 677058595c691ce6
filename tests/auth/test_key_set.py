"""Tokens signed with the keys of a key set, from key servers that behave and that do not."""

import base64
import hmac
import json
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from structlog.testing import CapturingLogger

from support.people import SECRET
from support.service import client_of, serving, settings_for
from support.waiting import PATIENCE, eventually
from support.wire import connection_to, head_of
from taskapi.auth import key_set
from taskapi.auth.key_set import keys_of
from taskapi.config import Settings, SettingsError, load
from taskapi.database.url import DatabaseUrl

Key = OKPKey | ECKey | RSAKey

MAKERS: dict[str, Callable[[str, str], Key]] = {
    "EdDSA": lambda kid, alg: OKPKey.generate_key("Ed25519", {"kid": kid, "alg": alg}),
    "Ed25519": lambda kid, alg: OKPKey.generate_key("Ed25519", {"kid": kid, "alg": alg}),
    "ES256": lambda kid, alg: ECKey.generate_key("P-256", {"kid": kid, "alg": alg}),
    "ES512": lambda kid, alg: ECKey.generate_key("P-521", {"kid": kid, "alg": alg}),
    "RS256": lambda kid, alg: RSAKey.generate_key(2048, {"kid": kid, "alg": alg}),
    "PS256": lambda kid, alg: RSAKey.generate_key(2048, {"kid": kid, "alg": alg}),
}


def make_key(algorithm: str = "EdDSA", kid: str = "1") -> Key:
    return MAKERS[algorithm](kid, algorithm)


def public(*keys: Key) -> dict[str, Any]:
    """The JWK set of these keys."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


class KeyServer:
    """An auth server, as far as its keys go; tests change how it answers."""

    def __init__(self) -> None:
        self.body = b'{"keys": []}'
        self.status = 200
        self.headers: dict[str, str] = {}
        self.fetches = 0
        self.gate = threading.Event()
        self.gate.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.fetches += 1
                body = outer.body
                outer.gate.wait(PATIENCE)
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=[0.01])
        self.thread.start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def publish(self, *keys: Key) -> None:
        self.body = json.dumps(public(*keys)).encode()

    def stop(self) -> None:
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def auth() -> Iterator[KeyServer]:
    """A key server with no keys yet."""
    server = KeyServer()
    yield server
    server.stop()


Start = Callable[..., httpx.Client]


@pytest.fixture
def start(database: DatabaseUrl, auth: KeyServer) -> Iterator[Start]:
    """Starts a service that trusts the key server, and nothing else unless told."""
    with ExitStack() as stack:

        def run(**changed: object) -> httpx.Client:
            told = {"better_auth_url": auth.origin, "better_auth_secret": None} | changed
            base = stack.enter_context(serving(settings_for(database, **told)))
            return stack.enter_context(client_of(base))

        yield run


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two fetches, so that a test need not wait for it."""
    monkeypatch.setattr(key_set, "FETCH_INTERVAL", 0.0)


def ask(client: httpx.Client, token: str) -> httpx.Response:
    return client.get("/api/7/tasks", headers={"Authorization": f"Bearer {token}"})


def sign(key: Key, auth: KeyServer, **changed: object) -> str:
    """A token of user 7 as Better Auth would sign it, but for what is changed."""
    header = {"alg": key.alg, "kid": key.kid}
    claims = {"sub": "7", "exp": time.time() + 900, "iss": auth.origin, "aud": auth.origin}
    return encode(header, claims | changed, key)


def encode(header: dict[str, Any], claims: dict[str, Any], key: Key | OctKey) -> str:
    """A token of exactly this; joserfc warns of the name EdDSA and of forged secrets."""
    with warnings.catch_warnings(action="ignore", category=SecurityWarning):
        return jwt.encode(header, claims, key, algorithms=[header["alg"]])


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


def test_a_new_key_works_at_once_and_the_old_one_goes_on(auth: KeyServer, start: Start) -> None:
    """Also a moment after the last fetch: two first sign-ins at once make two keys."""
    old, new = make_key(kid="1"), make_key("ES256", kid="2")
    auth.publish(old)
    client = start()
    assert ask(client, sign(old, auth)).status_code == 200
    auth.publish(old, new)
    assert ask(client, sign(new, auth)).status_code == 200
    assert ask(client, sign(old, auth)).status_code == 200


def test_a_key_that_is_published_during_a_fetch_works_at_once(
    auth: KeyServer, start: Start
) -> None:
    old, new = make_key(kid="1"), make_key("ES256", kid="2")
    auth.publish(old)
    auth.gate.clear()
    client = start()
    eventually(lambda: auth.fetches == 1, "the fetch is under way")
    auth.publish(old, new)
    with connection_to(client) as connection:
        bearer = f"Authorization: Bearer {sign(new, auth)}"
        connection.sendall(head_of("GET", "/api/7/tasks", bearer))
        client.get("/livez")  # when this is answered, the request before it waits for that fetch
        auth.gate.set()
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_thousand_unknown_key_ids_cost_a_handful_of_fetches(
    auth: KeyServer, start: Start
) -> None:
    key = make_key()
    auth.publish(key)
    client = start()
    assert ask(client, sign(key, auth)).status_code == 200
    head, claims, signature = sign(key, auth).split(".")
    began, before = time.monotonic(), auth.fetches
    for number in range(1000):
        header = json.dumps({"alg": "EdDSA", "kid": f"unknown {number}"}).encode()
        head = base64.urlsafe_b64encode(header).rstrip(b"=").decode()
        assert ask(client, f"{head}.{claims}.{signature}").status_code == 401
    allowed = 1 + key_set.FETCH_BURST + (time.monotonic() - began) / key_set.FETCH_INTERVAL
    assert auth.fetches - before <= allowed


def test_kept_keys_go_on_working_while_the_key_server_is_down(
    auth: KeyServer, start: Start, impatient: None
) -> None:
    key = make_key()
    auth.publish(key)
    client = start()
    assert ask(client, sign(key, auth)).status_code == 200
    auth.status = 500
    assert ask(client, sign(make_key(kid="2"), auth)).status_code == 401
    assert ask(client, sign(key, auth)).status_code == 200


def test_kept_keys_end_when_the_key_server_stays_down_too_long(
    auth: KeyServer, start: Start, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    key = make_key()
    auth.publish(key)
    client = start()
    assert ask(client, sign(key, auth)).status_code == 200
    auth.status = 500
    monkeypatch.setattr(key_set, "MAX_AGE", 0.0)
    assert ask(client, sign(key, auth)).status_code == 503


def test_without_ever_a_key_the_answer_is_503_and_heals(
    auth: KeyServer, start: Start, impatient: None
) -> None:
    key = make_key()
    auth.status = 500
    client = start()
    refused = ask(client, sign(key, auth))
    assert (refused.status_code, refused.json()["code"]) == (503, "keys_unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    auth.status = 200
    auth.publish(key)
    assert ask(client, sign(key, auth)).status_code == 200


def test_a_slow_key_server_is_given_up_within_the_deadline(auth: KeyServer, start: Start) -> None:
    key = make_key()
    auth.publish(key)
    auth.gate.clear()
    assert ask(start(request_timeout=0.3), sign(key, auth)).status_code == 503


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"rubbish",
        b"[]",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1, null, "x", {}]}',
        b"[" * 100_000,
        b'{"keys": [' + b"1," * 200 + b"1]}",
        b" " * 10_000_000 + b"{}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_rubbish_from_the_key_server_is_503(body: bytes, auth: KeyServer, start: Start) -> None:
    auth.body = body
    assert ask(start(), sign(make_key(), auth)).status_code == 503


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
