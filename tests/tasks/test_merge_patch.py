"""Merge patch: `PATCH` of title, description and completion (contract, section 6; RFC 7396)."""

from typing import Any

import pytest

from support.calls import WHITE_SPACE, assert_refused, at_once, moment
from support.people import Person

Json = dict[str, Any]


@pytest.fixture
def task(alice: Person) -> Json:
    return alice.create("Buy milk", "Two litres")


def patched(alice: Person, task: Json, patch: Json) -> Json:
    """The task after a patch, which is what reading it gives."""
    response = alice.patch(f"/{task['id']}", json=patch)
    assert response.status_code == 200, response.text
    assert alice.get(f"/{task['id']}").content == response.content
    changed: Json = response.json()
    return changed


@pytest.mark.parametrize(
    ("patch", "change"),
    [
        ({"title": "Buy tea"}, {"title": "Buy tea"}),
        ({"title": "\n Buy tea "}, {"title": "Buy tea"}),
        ({"description": " Green "}, {"description": " Green "}),
        ({"description": ""}, {"description": ""}),
        ({"description": None}, {"description": ""}),
        ({"is_completed": True}, {"is_completed": True}),
        (
            {"title": "x" * 500, "description": "é" * 5000, "is_completed": True},
            {"title": "x" * 500, "description": "é" * 5000, "is_completed": True},
        ),
        ({"title": "Buy milk"}, {}),
        ({"is_completed": False}, {}),
    ],
    ids=lambda members: ",".join(members) or "nothing new",
)
def test_a_patch_changes_what_it_names_and_leaves_the_rest(
    alice: Person, task: Json, patch: Json, change: Json
) -> None:
    changed = patched(alice, task, patch)
    assert changed == task | change | {"updated_at": changed["updated_at"]}
    assert moment(changed["updated_at"]) > moment(task["updated_at"])


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"id": 1, "user_id": 1, "created_at": "2000-01-01T00:00:00Z", "updated_at": None},
    ],
    ids=str,
)
def test_a_patch_of_nothing_changes_nothing_not_even_the_time(
    alice: Person, task: Json, patch: Json
) -> None:
    assert patched(alice, task, patch) == task


def test_a_task_that_was_read_can_be_sent_back_with_a_change(alice: Person, task: Json) -> None:
    changed = patched(alice, task, task | {"is_completed": True, "id": 1, "user_id": 1})
    assert changed == task | {"is_completed": True, "updated_at": changed["updated_at"]}


@pytest.mark.parametrize("member", ["title", "is_completed"])
def test_null_is_422_where_there_is_nothing_to_clear(
    alice: Person, task: Json, member: str
) -> None:
    response = alice.patch(f"/{task['id']}", json={member: None, "description": "Green"})
    assert_refused(response, 422, "validation_failed")
    assert response.json()["detail"][0]["loc"] == ["body", member]
    assert alice.get(f"/{task['id']}").json() == task


@pytest.mark.parametrize(
    "patch",
    [
        {"title": ""},
        {"title": WHITE_SPACE},
        {"title": "x" * 501},
        {"title": 1},
        {"title": ["x"]},
        {"title": "a\0b"},
        {"description": "x" * 5001},
        {"description": False},
        {"description": {"text": None}},
        {"description": "\0"},
        {"is_completed": "true"},
        {"is_completed": 1},
        {"is_completed": []},
    ],
    ids=lambda patch: ascii(patch)[:40],
)
def test_a_value_that_breaks_its_rule_is_422_and_all_stays_as_it_was(
    alice: Person, task: Json, patch: Json
) -> None:
    response = alice.patch(f"/{task['id']}", json={"description": "Green"} | patch)
    assert_refused(response, 422, "validation_failed")
    assert alice.get(f"/{task['id']}").json() == task


@pytest.mark.parametrize(
    "content_type",
    [
        "application/merge-patch+json",
        "application/merge-patch+json; charset=utf-8",
        "application/json",
    ],
)
def test_a_merge_patch_may_say_that_it_is_one(alice: Person, task: Json, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    response = alice.patch(f"/{task['id']}", content=b'{"description": null}', headers=headers)
    assert response.status_code == 200
    assert response.json()["description"] == ""


@pytest.mark.parametrize("content", [b"", b"null", b'[{"op": "remove", "path": "/description"}]'])
def test_what_is_no_object_is_no_patch_of_a_task(alice: Person, task: Json, content: bytes) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    response = alice.patch(f"/{task['id']}", content=content, headers=headers)
    assert_refused(response, 422, "validation_failed")


def test_concurrent_patches_of_different_members_are_all_kept(alice: Person, task: Json) -> None:
    patches: list[Json] = [{"title": "Buy tea"}, {"description": None}, {"is_completed": True}]
    answers = at_once(
        [lambda patch=patch: alice.patch(f"/{task['id']}", json=patch) for patch in patches] * 5
    )
    assert {answer.status_code for answer in answers} == {200}
    last = alice.get(f"/{task['id']}").json()
    assert (last["title"], last["description"], last["is_completed"]) == ("Buy tea", "", True)
