"""Project Wycheproof's vectors of JSON Web Signatures, as far as they are made with a secret.

The folder of vectors is no part of this project; where it is missing, there is nothing to run.
"""

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OctKey

from taskapi.auth.keys import VerificationKey
from taskapi.auth.token import Token, parse
from taskapi.errors import InvalidToken

FOLDER = Path(__file__).parents[3] / "shared" / "vectors" / "wycheproof"

RESULTS_OF_OURS = {
    # Byte for byte number 357, which is valid (C2SP/wycheproof, issue 236).
    367: "valid",
    370: "valid",
    # They hold a question mark, for readers that skip what is not of the alphabet.
    372: "invalid",
    373: "invalid",
}
"""What counts here instead of the vectors' own results."""


def vectors() -> list[Any]:
    if not FOLDER.exists():
        reason = "the vectors of Wycheproof are not beside the project"
        return [pytest.param({}, {}, marks=pytest.mark.skip(reason=reason))]
    groups = json.loads((FOLDER / "json_web_signature_test.json").read_text())["testGroups"]
    return [
        pytest.param(group["private"], test, id=f"{test['tcId']}-{test['comment']}")
        for group in groups
        if group.get("private", {}).get("kty") == "oct"
        for test in group["tests"]
    ]


def read(jws: str) -> Token:
    """A vector's token. What it signs is mostly no JSON, so that refusal alone is passed over."""
    try:
        return parse(jws.encode())
    except InvalidToken as refusal:
        if refusal.detail != "The token's payload is not well-formed JSON.":
            raise
    signed, _, signature = jws.rpartition(".")
    return Token(
        signed=signed.encode(),
        signature=urlsafe_b64decode(signature + "=="),
        algorithm="HS256",
        key_id=None,
        is_access_token=False,
        claims={},
    )


@pytest.mark.parametrize(("key", "vector"), vectors())
def test_vector(key: dict[str, Any], vector: dict[str, Any]) -> None:
    secret = VerificationKey("HS256", OctKey.import_key(key))
    if RESULTS_OF_OURS.get(vector["tcId"], vector["result"]) == "valid":
        secret.verify(read(vector["jws"]))
    else:
        with pytest.raises(InvalidToken):
            secret.verify(read(vector["jws"]))
