"""A server of public keys, which tests make answer well and badly, and tokens of its keys."""

import json
import threading
import time
import warnings
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from support.waiting import PATIENCE

Key = OKPKey | ECKey | RSAKey

Start = Callable[..., httpx.Client]
"""What the fixture `start` gives: it starts a service, and returns a client of it."""

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


def sign(key: Key, auth: KeyServer, **changed: object) -> str:
    """A token of user 7 as Better Auth would sign it, but for what is changed."""
    header = {"alg": key.alg, "kid": key.kid}
    claims = {"sub": "7", "exp": time.time() + 900, "iss": auth.origin, "aud": auth.origin}
    return encode(header, claims | changed, key)


def ask(client: httpx.Client, token: str) -> httpx.Response:
    """A request of user 7 with this token."""
    return client.get("/api/7/tasks", headers={"Authorization": f"Bearer {token}"})


def encode(header: dict[str, Any], claims: dict[str, Any], key: Key | OctKey) -> str:
    """A token of exactly this; joserfc warns of the name EdDSA and of forged secrets."""
    with warnings.catch_warnings(action="ignore", category=SecurityWarning):
        return jwt.encode(header, claims, key, algorithms=[header["alg"]])
