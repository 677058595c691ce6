"""Attacks made of well-formed requests that cost much, or come too often."""

import itertools
import json
from collections.abc import Callable

from joserfc import jwt
from joserfc.jwk import ECKey

from support.abuse.attacker import Attacker, Request

HOSTILE = (
    "x" * 32 + "." + "%3D" * 2700 + "!",
    "%3D" * 2800 + "!",
    "x" * 4000 + "." + "=" * 4000 + "!",
    "." * 8000,
    "e30." * 2000,
    "eyJ" * 2600 + ".",
    "_-" * 4000 + "\t",
)
"""Each makes some pattern that could be written for tokens work hard."""

EMOJI = "\N{GRINNING FACE}"


def hostile_tokens(attacker: Attacker) -> None:
    """Tokens on which a careless pattern backtracks."""
    tokens = itertools.cycle(HOSTILE)
    attacker.repeat(8, lambda: Request("GET", headers=_bearer(next(tokens))))


def refused_tokens(attacker: Attacker) -> None:
    """Tokens that are refused, as fast as it goes."""
    attacker.repeat(8, lambda: Request("GET", headers=_bearer("nonsense")))


def invented_keys(attacker: Attacker) -> None:
    """Tokens that name keys which the auth server does not have."""
    key, numbers = ECKey.generate_key("P-256"), itertools.count()

    def request() -> Request:
        header = {"alg": "ES256", "kid": f"invented-{next(numbers)}"}
        return Request("GET", headers=_bearer(jwt.encode(header, {"sub": "1"}, key)))

    attacker.repeat(4, request)


def searches(attacker: Attacker) -> None:
    """Searches that look at every task and find none."""
    attacker.repeat(20, lambda: Request("GET", "?q=zzzzz"))


def lists(connections: int) -> Callable[[Attacker], None]:
    """Pages as large as they get, several at once."""
    return lambda attacker: attacker.repeat(connections, lambda: Request("GET", "?limit=1000"))


def unchanging_batches(attacker: Attacker) -> None:
    """Batches that change nothing, each under a new key."""
    operations = [{"op": "update", "id": each, "is_completed": False} for each in _ids(attacker)]
    body = json.dumps({"operations": operations}, separators=(",", ":")).encode()
    _keyed(attacker, lambda: Request("POST", "/batch", body))


def keyed_creates(attacker: Attacker) -> None:
    """The smallest tasks, each under a new key."""
    _keyed(attacker, lambda: Request("POST", body=b'{"title":"x"}'))


def keyed_updates(attacker: Attacker) -> None:
    """Small changes of a large task, each under a new key."""
    path, states = f"/{_ids(attacker)[0]}", itertools.cycle([b"true", b"false"])
    _keyed(attacker, lambda: Request("PATCH", path, b'{"is_completed":%s}' % next(states)))


def one_token(attacker: Attacker) -> None:
    """A hundred clients of one user, who create and toggle."""
    toggle = Request("PATCH", f"/{_ids(attacker)[0]}/complete")
    requests = itertools.cycle([Request("POST", body=b'{"title":"x"}'), toggle])
    attacker.repeat(100, lambda: next(requests))


def hoarding(attacker: Attacker) -> None:
    """As many of the largest tasks as are accepted."""
    task = {"op": "create", "title": "x" * 500, "description": EMOJI * 1000}
    body = json.dumps({"operations": [task] * 50}, ensure_ascii=False).encode()
    attacker.repeat(4, lambda: Request("POST", "/batch", body))


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _keyed(attacker: Attacker, request: Callable[[], Request]) -> None:
    numbers = itertools.count()

    def with_key() -> Request:
        return request()._replace(headers={"Idempotency-Key": f"abuse-{next(numbers)}"})

    attacker.repeat(4, with_key)


def _ids(attacker: Attacker) -> list[int]:
    """The ids of a hundred of the attacker's tasks, got in small pages."""
    pages = (attacker.ask(Request("GET", f"?limit=20&offset={at}")) for at in range(0, 100, 20))
    return [task["id"] for page in pages for task in json.loads(page)["tasks"]]
