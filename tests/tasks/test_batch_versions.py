"""Versions in batches: `version` is the `If-Match` of an operation, `etag` that of its result.

And members with unknown names, which could be a misspelt version.
"""

from typing import Any

import pytest

from support.batches import batch, create, done
from support.calls import assert_refused
from support.people import Person

Json = dict[str, Any]

OF_ONE_TASK = pytest.mark.parametrize(
    "operation",
    [{"op": "update", "title": "x"}, {"op": "complete"}, {"op": "delete"}],
    ids=lambda each: str(each["op"]),
)


def test_the_etag_of_a_result_is_that_of_the_task(alice: Person) -> None:
    results = done(alice, create("c-1"), {"op": "complete", "key": "c-1"}, create())
    assert results[0]["etag"] != results[1]["etag"]
    for result in results[1:]:
        assert alice.get(f"/{result['task']['id']}").headers["ETag"] == result["etag"]


@OF_ONE_TASK
@pytest.mark.parametrize("form", ["{}", "W/{}", '"1", {}', "*"])
def test_an_operation_takes_the_version_in_every_form_of_if_match(
    alice: Person, operation: Json, form: str
) -> None:
    created = alice.post(json={"title": "Buy milk"})
    version = form.format(created.headers["ETag"])
    [result] = done(alice, operation | {"id": created.json()["id"], "version": version})
    assert result["status"] in {200, 204}


def test_updated_at_in_quotes_is_a_version(alice: Person) -> None:
    task = alice.create()
    version = f'"{task["updated_at"]}"'
    operation = {"op": "complete", "id": task["id"], "version": version}
    done(alice, operation)
    assert_refused_as_passed(batch(alice, operation), alice.get(f"/{task['id']}").json())


@OF_ONE_TASK
def test_a_version_that_has_passed_is_412_and_nothing_is_done(
    alice: Person, operation: Json
) -> None:
    created = alice.post(json={"title": "Buy milk"})
    task_id, old = created.json()["id"], created.headers["ETag"]
    now = alice.patch(f"/{task_id}/complete")
    named = operation | {"id": task_id}
    for version in (old, '"0"', '"other"', f'"{created.json()["updated_at"]}"'):
        response = batch(alice, create(), named | {"version": version})
        assert_refused_as_passed(response, now.json(), number=1)
    assert alice.get().json()["tasks"] == [now.json()]


def test_an_operation_can_expect_the_version_that_the_batch_has_made(alice: Person) -> None:
    """A client does not know it, so only an older one can be sent, and it has passed."""
    [first] = done(alice, create("c-1"))
    operations = [
        {"op": "complete", "key": "c-1", "version": first["etag"]},
        {"op": "update", "key": "c-1", "title": "x", "version": first["etag"]},
    ]
    assert_refused_as_passed(batch(alice, *operations), first["task"] | {"is_completed": True}, 1)
    assert alice.get().json()["tasks"] == [first["task"]]


def assert_refused_as_passed(response: Any, current: Json, number: int = 0) -> None:
    answer = response.json()
    assert (response.status_code, answer["code"]) == (412, "version_mismatch")
    assert answer["detail"].startswith(f"operations[{number}]: ")
    times = {"updated_at": answer["current"]["updated_at"]}
    assert answer["current"] == current | times


# Unknown members


@pytest.mark.parametrize("member", ["if_match", "colour", "isCompleted", "Title", ""])
@pytest.mark.parametrize(
    "operation",
    [
        {"op": "create", "title": "x"},
        {"op": "update", "id": 1, "title": "x"},
        {"op": "complete", "id": 1},
        {"op": "delete", "id": 1},
    ],
    ids=lambda each: str(each["op"]),
)
def test_an_operation_with_an_unknown_member_is_422(
    alice: Person, operation: Json, member: str
) -> None:
    refused = batch(alice, create(), operation | {member: "x"})
    assert_refused(refused, 422, "validation_failed")
    [mistake] = refused.json()["detail"]
    assert mistake["loc"] == ["body", "operations", 1, operation["op"], member]
    assert mistake["type"] == "extra_forbidden"
    assert alice.get().json()["total"] == 0


def test_a_create_takes_no_version(alice: Person) -> None:
    assert_refused(batch(alice, create() | {"version": "*"}), 422, "validation_failed")


def test_a_batch_with_an_unknown_member_is_422(alice: Person) -> None:
    refused = alice.post("/batch", json={"operations": [create()], "Atomic": False})
    assert_refused(refused, 422, "validation_failed")
    assert [item["loc"] for item in refused.json()["detail"]] == [["body", "Atomic"]]
    assert_refused(
        alice.post("/batch", json={"operations": [create()], "atomic": None}),
        422,
        "validation_failed",
    )


def test_a_patch_with_a_member_that_is_no_field_is_422(alice: Person) -> None:
    task = alice.create()
    for member in ("isCompleted", "colour", "Title", "version"):
        refused = alice.patch(f"/{task['id']}", json={"title": "x", member: True})
        assert_refused(refused, 422, "validation_failed")
        assert [item["loc"] for item in refused.json()["detail"]] == [["body", member]]
    assert alice.get(f"/{task['id']}").json() == task


def test_many_unknown_members_make_one_short_error(alice: Person) -> None:
    many = {f"{number}{'x' * 1000}": 1 for number in range(100)}
    path = f"/{alice.create()['id']}"
    for refused in (batch(alice, create() | many), alice.patch(path, json=many)):
        assert_refused(refused, 422, "validation_failed")
        assert len(refused.content) < 500


def test_any_task_that_was_read_can_be_sent_back_in_an_operation(alice: Person) -> None:
    for operation in ("update", "complete", "delete"):
        task = alice.create()
        [result] = done(alice, task | {"op": operation})
        assert result["status"] in {200, 204}
