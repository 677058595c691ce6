"""What docs/architecture.md says about adding a field and a resource is all that it takes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import programs
from support.people import Person
from support.programs import ADDRESS, READY, TOKEN, started
from support.recipe import Step, copy_of_the_package, steps
from support.service import client_of
from support.waiting import PATIENCE

FIELD = steps("A field of a resource")
RESOURCE = steps("A second resource")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python on the copy of the package."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


@contextmanager
def serving(folder: Path) -> Iterator[Person]:
    """The copy's service, on a database of its own, and the person whose token it prints."""
    command = ("python", "-m", "taskapi", "serve", "--port", 0)
    with started(*command, folder=folder) as service:
        url = service.wait_for(ADDRESS)["url"]
        token = service.wait_for(TOKEN)["token"]
        service.wait_for(READY)
        with client_of(url) as http:
            yield Person("1", token, http)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copy_of_the_package(tmp_path)


def test_the_steps_are_on_the_page() -> None:
    assert [step.file for step in FIELD if step.kind == "diff"] == [
        "taskapi/tasks/models.py",
        *["taskapi/tasks/schemas.py"] * 3,
        "taskapi/tasks/statements.py",
    ]
    assert len(RESOURCE) > len(FIELD)


def test_a_field_and_a_resource_are_added_by_the_steps_of_the_page(copy: Path) -> None:
    for step in FIELD + RESOURCE:
        step.apply(copy)
    contracts = programs.run("lint-imports", "--no-cache", folder=copy)
    assert contracts.returncode == 0, contracts.stdout
    migrations = run(copy, "scripts/check_migrations.py")
    assert migrations.returncode == 0, migrations.stderr
    with serving(copy) as alice:
        use_the_field(alice)
        use_the_resource(alice)


def use_the_field(alice: Person) -> None:
    """Create, change, keep, clear and list it."""
    task = alice.post(json={"title": "Buy milk", "color": "red"}).json()
    assert task["color"] == "red"
    path = f"/{task['id']}"
    assert alice.patch(path, json={"color": "blue"}).json()["color"] == "blue"
    assert alice.patch(path, json={"title": "Buy oat milk"}).json()["color"] == "blue"
    assert alice.patch(path, json={"color": None}).json()["color"] is None
    assert alice.put(path, json={"title": "Buy soy milk"}).json()["color"] is None
    assert alice.patch(path, json={"color": "x" * 21}).status_code == 422
    assert [each["color"] for each in alice.get().json()["tasks"]] == [None]
    assert alice.create()["color"] is None


def use_the_resource(alice: Person) -> None:
    """Everything that a resource has: versions, conditions, safe retries, and pages."""
    notes = f"/api/{alice.id}/notes"
    key = {"Idempotency-Key": "once"}
    first = alice.post(notes, json={"text": "one"}, headers=key)
    again = alice.post(notes, json={"text": "one"}, headers=key)
    assert (first.status_code, again.json(), again.headers["Idempotency-Replayed"]) == (
        201,
        first.json(),
        "true",
    )
    path = first.headers["Location"]
    tag = {"If-Match": first.headers["ETag"]}
    assert alice.patch(path, json={"text": "two"}, headers=tag).json()["text"] == "two"
    assert alice.patch(path, json={"text": "three"}, headers=tag).status_code == 412
    read = alice.get(path)
    unchanged = {"If-None-Match": read.headers["ETag"]}
    assert alice.get(path, headers=unchanged).status_code == 304
    alice.post(notes, json={"text": "another"})
    page = alice.get(f"{notes}?limit=1").json()
    following = alice.get(f"{notes}?limit=1&cursor={page['next_cursor']}").json()
    assert [each["text"] for each in page["notes"] + following["notes"]] == ["another", "two"]
    assert alice.request("DELETE", path).status_code == 204
    assert alice.get(path).json()["code"] == "note_not_found"
    assert alice.get(f"/api/2{notes.removeprefix('/api/1')}").status_code == 403


@pytest.mark.parametrize("forgotten", FIELD, ids=lambda step: f"{step.kind} {step.file}")
def test_a_forgotten_step_of_a_field_is_found(copy: Path, forgotten: Step) -> None:
    """At import, or by the check of migrations; never as a 201 that drops a value."""
    for step in FIELD:
        if step is not forgotten:
            step.apply(copy)
    imported = run(copy, "-c", "import taskapi.app")
    if "migrations/versions" in forgotten.file:
        assert imported.returncode == 0, imported.stderr
        checked = run(copy, "scripts/check_migrations.py")
        assert "color" in checked.stdout + checked.stderr
        assert checked.returncode != 0
    else:
        assert "TypeError" in imported.stderr or "AttributeError" in imported.stderr
