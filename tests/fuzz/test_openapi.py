"""schemathesis: is all that the OpenAPI document says true, for everything that it can think of?

All its phases and all its checks; `exceptions.py` says where it is told not to mind, and why.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from support.effort import TIMES, looks_for_long
from support.people import Person

HERE = Path(__file__).parent
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"

EXAMPLES = 8
LENGTH = (
    [f"--max-examples={EXAMPLES * TIMES}"]
    if looks_for_long()
    else [f"--max-examples={EXAMPLES}", "--seed=1"]
)

HOUR = 3600


def document_for(http: httpx.Client, user_id: str) -> dict[str, Any]:
    """The service's own document, in which one user is the only one there can be.

    So generated requests go to this user's tasks, and no answer may show anybody else's.
    """
    document: dict[str, Any] = http.get("/openapi.json").json()
    only = {"type": "integer", "enum": [int(user_id)]}
    document["components"]["schemas"]["Task"]["properties"]["user_id"] = only
    document["components"]["parameters"]["user_id"]["schema"] = only
    return document


def operations_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def assert_true(document: dict[str, Any], person: Person, folder: Path, *arguments: str) -> None:
    """Hold that the service keeps to a document, when it is asked with this person's token."""
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    told = subprocess.run(
        [
            SCHEMATHESIS,
            "run",
            path,
            f"--url={person.http.base_url}",
            f"--header=Authorization: Bearer {person.token}",
            *LENGTH,
            "--checks=all",
            "--continue-on-failure",
            "--warnings=off",
            "--output-sanitize=false",
            *arguments,
        ],
        cwd=folder,
        env={"PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "exceptions", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=HOUR,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_what_the_document_says_is_true_for_a_user(alice: Person, tmp_path: Path) -> None:
    document = document_for(alice.http, alice.id)
    del document["paths"]["/api/{user_id}/tasks/events"]  # it would wait for the end of a stream
    assert_true(document, alice, tmp_path)


def test_a_stranger_gets_nothing_from_a_users_paths_but_403(
    alice: Person, bob: Person, tmp_path: Path
) -> None:
    """Bob's token on Alice's paths: each operation has no other answer left in the document."""
    kept = [alice.create(title) for title in ("one", "two")]
    document = document_for(alice.http, alice.id)
    for operation in operations_of(document):
        if operation["security"]:
            refusal = operation["responses"]["403"]
            operation["responses"] = {"401": refusal, "403": refusal}
    assert_true(document, bob, tmp_path, "--phases=examples,fuzzing")
    assert alice.get().json()["tasks"] == kept[::-1]
    assert bob.get().json()["tasks"] == []
