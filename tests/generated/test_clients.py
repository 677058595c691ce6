"""Clients that generators make of the document: they compile, and do what they should.

`round_trip.ts` and `round_trip.py` are applications of two of them. What they print stands here,
where the two can be compared.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from support.generated import GENERATED, PYTHON, arguments_on_page
from support.machine import PROGRAMS
from support.people import Person, token_for

IN_TYPESCRIPT = """\
create 201 Buy milk false
list 1 [ 'Buy milk' ] null
get true true
update Buy oat milk Two litres
patch ""
complete true false
batch 201 Buy tea
batch 200 Buy tea
batch 200 Buy oat milk
batch version_mismatch Buy oat milk
batch 204 null
conflict 412 version_mismatch Buy oat milk
refusal 422 validation_failed [ 'title' ]
changes [ 'Buy oat milk' ]
delete 204 task_not_found
"""

IN_PYTHON = """\
create 201 Buy milk False True
list 1 ['Buy milk'] None
get True
update Buy oat milk Two litres
patch ''
complete True False
batch 201 Buy tea
batch 200 Buy tea
batch 200 Buy oat milk
batch version_mismatch Buy oat milk
batch 204 None
conflict True Buy oat milk
refusal validation_failed ['title']
changes ['Buy oat milk']
delete 204 task_not_found
"""

WITH_ZOD = """\
create 201 Buy milk
update Buy oat milk Two litres
list 1
batch [ 201, 412 ]
conflict version_mismatch
refused by zod: body,title
changes 2
ready true
"""

Run = Callable[..., str]


def small_id() -> str:
    """An id that a number of JavaScript holds, which is exact up to 2^53. Others' are larger."""
    return str(time.time_ns() // 1000)


def settings_of(service: str, user_id: str) -> dict[str, str]:
    """The environment of a round trip."""
    return {
        "TASKAPI_URL": service,
        "TASKAPI_USER": user_id,
        "TASKAPI_TOKEN": token_for(user_id),
    }


def test_openapi_typescript_and_openapi_fetch(service: str, folder: Path, run_node: Run) -> None:
    shutil.copy(GENERATED / "round_trip.ts", folder)
    shutil.copy(GENERATED / "tsconfig.json", folder)
    run_node("openapi-typescript", *arguments_on_page("openapi-typescript"))
    run_node("tsc")
    assert run_node("round_trip.js", **settings_of(service, small_id())) == IN_TYPESCRIPT


def test_hey_api_and_orval(service: str, folder: Path, run_node: Run) -> None:
    """Functions that call, and schemas of zod: hey-api's examine each request and response."""
    for name in ("validated.ts", "tsconfig.json"):
        shutil.copy(GENERATED / name, folder)
    run_node("openapi-ts", *arguments_on_page("openapi-ts"))
    run_node("orval", *arguments_on_page("orval"))
    run_node("tsc")
    made = {file.relative_to(folder).as_posix() for file in folder.rglob("*.js")}
    assert made >= {"hey-api/sdk.gen.js", "hey-api/zod.gen.js", "orval/client.js", "orval/zod.js"}
    assert run_node("validated.js", **settings_of(service, small_id())) == WITH_ZOD


def test_openapi_python_client(
    service: str, alice: Person, folder: Path, run: Run, run_python: Run
) -> None:
    """Alice's id needs 64 bits."""
    for name in ("round_trip.py", "mypy.ini"):
        shutil.copy(GENERATED / name, folder)
    arguments = arguments_on_page("openapi-python-client")
    run_python("-m", "openapi_python_client", *arguments, "--fail-on-warning")
    run(PROGRAMS / "mypy", f"--python-executable={PYTHON}", "round_trip.py")
    printed = run_python("-W", "error", "round_trip.py", **settings_of(service, alice.id))
    assert printed == IN_PYTHON
