"""The cast of the tests: people with tokens."""

import time
from dataclasses import dataclass, field

import httpx
from joserfc import jwt
from joserfc.jwk import OctKey

SECRET = "a secret of the tests, long enough for HS256"


@dataclass
class Person:
    """A user with a token, and a client that sends it to the service."""

    id: str
    token: str
    http: httpx.Client
    tasks: str = field(init=False)

    def __post_init__(self) -> None:
        self.tasks = f"/api/{self.id}/tasks"

    def get(self, path: str = "", **options: object) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str = "", **options: object) -> httpx.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: object) -> httpx.Response:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: object) -> httpx.Response:
        return self.request("PATCH", path, **options)

    def delete(self, path: str) -> httpx.Response:
        return self.request("DELETE", path)

    def request(self, method: str, path: str = "", **options: object) -> httpx.Response:
        """Send a request with this person's token; the path starts behind their tasks."""
        url = path if path.startswith("/api") else self.tasks + path
        headers = {"Authorization": f"Bearer {self.token}"} | dict(options.pop("headers", {}))  # type: ignore[call-overload]
        return self.http.request(method, url, headers=headers, **options)  # type: ignore[arg-type]

    def create(self, title: str = "Buy milk", description: str = "") -> dict[str, object]:
        """Create a task and return it."""
        response = self.post(json={"title": title, "description": description})
        assert response.status_code == 201, response.text
        task: dict[str, object] = response.json()
        return task


def sign(claims: dict[str, object], secret: str = SECRET, **header: object) -> str:
    """A token with exactly these claims."""
    return jwt.encode({"alg": "HS256", **header}, claims, OctKey.import_key(secret))


def token_for(user_id: str, **claims: object) -> str:
    """A token that names this user for an hour, unless its claims say otherwise."""
    return sign({"sub": user_id, "exp": int(time.time()) + 3600, **claims})
