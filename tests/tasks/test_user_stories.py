"""The acceptance scenarios of the six user stories, one test for each, by number."""

from datetime import UTC, datetime

import pytest

from support.calls import NO_TASK, assert_refused, moment
from support.people import Person

FIELDS = ["id", "title", "description", "is_completed", "created_at", "updated_at", "user_id"]


# Story 1: list own tasks (FR-001)


def test_1_1_five_tasks_are_all_listed_and_complete(alice: Person) -> None:
    tasks = [alice.create(f"Task {number}", f"Number {number}") for number in range(5)]
    response = alice.get()
    assert response.status_code == 200
    assert response.json() == {
        "tasks": tasks[::-1],
        "total": 5,
        "limit": 1000,
        "offset": 0,
        "has_more": False,
        "next_cursor": None,
    }
    assert all(list(task) == FIELDS for task in response.json()["tasks"])


def test_1_2_a_user_without_tasks_gets_an_empty_list(alice: Person) -> None:
    response = alice.get()
    assert response.status_code == 200
    assert (response.json()["tasks"], response.json()["total"]) == ([], 0)


def test_1_3_the_list_of_somebody_else_is_403(alice: Person, bob: Person) -> None:
    assert_refused(bob.get(alice.tasks), 403, "forbidden")


def test_1_4_without_a_token_it_is_401(alice: Person) -> None:
    assert_refused(alice.http.get(alice.tasks), 401, "not_authenticated")


# Story 2: create (FR-002, FR-014 to FR-017)


def test_2_1_a_created_task_has_an_id_is_open_and_is_from_now(alice: Person) -> None:
    asked = datetime.now(UTC)
    response = alice.post(json={"title": "Buy milk", "description": "Two litres"})
    answered = datetime.now(UTC)
    task = response.json()
    assert response.status_code == 201
    assert list(task) == FIELDS
    assert (task["title"], task["description"]) == ("Buy milk", "Two litres")
    assert task["is_completed"] is False
    assert task["user_id"] == int(alice.id)
    assert task["created_at"] == task["updated_at"]
    assert asked <= moment(task["created_at"]) <= answered
    assert response.headers["Location"] == f"{alice.tasks}/{task['id']}"
    assert alice.get(response.headers["Location"]).json() == task


def test_2_1_the_description_is_optional_and_empty_by_default(alice: Person) -> None:
    response = alice.post(json={"title": "Buy milk"})
    assert (response.status_code, response.json()["description"]) == (201, "")


def test_2_2_without_a_title_it_is_422_that_says_so(alice: Person) -> None:
    response = alice.post(json={"description": "Two litres"})
    assert_refused(response, 422, "validation_failed")
    assert response.json()["detail"] == [
        {"loc": ["body", "title"], "msg": "Field required", "type": "missing"}
    ]


def test_2_3_into_the_list_of_somebody_else_is_403(alice: Person, bob: Person) -> None:
    assert_refused(bob.post(alice.tasks, json={"title": "Intruder"}), 403, "forbidden")
    assert alice.get().json()["total"] == 0


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("title", "x" * 501, "string_too_long"),
        ("title", "", "string_too_short"),
        ("title", " \t\n", "string_too_short"),
        ("title", "a\0b", "value_error"),
        ("description", "x" * 5001, "string_too_long"),
        ("description", "a\0b", "value_error"),
    ],
)
def test_2_4_too_long_or_invalid_text_is_422_that_says_so(
    alice: Person, member: str, value: str, reason: str
) -> None:
    response = alice.post(json={"title": "Buy milk", member: value})
    assert_refused(response, 422, "validation_failed")
    [mistake] = response.json()["detail"]
    assert (mistake["loc"], mistake["type"]) == (["body", member], reason)
    assert alice.get().json()["total"] == 0


# Story 3: update (FR-004)


def test_3_1_title_and_description_are_replaced(alice: Person) -> None:
    task = alice.create("Buy milk", "Two litres")
    response = alice.put(f"/{task['id']}", json={"title": "Buy tea", "description": "Green"})
    changed = response.json()
    assert response.status_code == 200
    assert changed == task | {
        "title": "Buy tea",
        "description": "Green",
        "updated_at": changed["updated_at"],
    }
    assert moment(changed["updated_at"]) > moment(task["updated_at"])
    assert alice.get(f"/{task['id']}").json() == changed


def test_3_2_a_missing_task_is_404(alice: Person) -> None:
    response = alice.put(f"/{NO_TASK}", json={"title": "Buy tea"})
    assert_refused(response, 404, "task_not_found")


def test_3_3_a_task_of_somebody_else_is_403_by_path_and_404_by_id(
    alice: Person, bob: Person
) -> None:
    task = alice.create()
    path = f"/{task['id']}"
    assert_refused(bob.put(alice.tasks + path, json={"title": "Mine"}), 403, "forbidden")
    assert_refused(bob.put(path, json={"title": "Mine"}), 404, "task_not_found")
    assert alice.get(path).json() == task


def test_3_4_an_empty_title_is_422_and_changes_nothing(alice: Person) -> None:
    task = alice.create()
    response = alice.put(f"/{task['id']}", json={"title": "", "description": "Green"})
    assert_refused(response, 422, "validation_failed")
    assert alice.get(f"/{task['id']}").json() == task


# Story 4: toggle completion (FR-006)


def test_4_1_and_4_2_completion_is_toggled_there_and_back(alice: Person) -> None:
    task = alice.create()
    path = f"/{task['id']}/complete"
    there, back = alice.patch(path), alice.patch(path)
    assert (there.status_code, back.status_code) == (200, 200)
    assert there.json() == task | {
        "is_completed": True,
        "updated_at": there.json()["updated_at"],
    }
    assert back.json() == task | {"updated_at": back.json()["updated_at"]}


def test_4_3_a_missing_task_is_404(alice: Person) -> None:
    assert_refused(alice.patch(f"/{NO_TASK}/complete"), 404, "task_not_found")


def test_4_4_a_task_of_somebody_else_is_403_by_path_and_404_by_id(
    alice: Person, bob: Person
) -> None:
    task = alice.create()
    path = f"/{task['id']}/complete"
    assert_refused(bob.patch(alice.tasks + path), 403, "forbidden")
    assert_refused(bob.patch(path), 404, "task_not_found")
    assert alice.get(f"/{task['id']}").json() == task


# Story 5: one task (FR-003)


def test_5_1_a_task_is_read(alice: Person) -> None:
    task = alice.create()
    response = alice.get(f"/{task['id']}")
    assert (response.status_code, response.json()) == (200, task)


def test_5_2_a_missing_task_is_404(alice: Person) -> None:
    assert_refused(alice.get(f"/{NO_TASK}"), 404, "task_not_found")


def test_5_3_a_task_of_somebody_else_is_403_by_path_and_404_by_id(
    alice: Person, bob: Person
) -> None:
    path = f"/{alice.create()['id']}"
    assert_refused(bob.get(alice.tasks + path), 403, "forbidden")
    assert_refused(bob.get(path), 404, "task_not_found")


# Story 6: delete (FR-005)


def test_6_1_a_deleted_task_is_gone_for_good(alice: Person) -> None:
    kept, task = alice.create("Kept"), alice.create("Deleted")
    response = alice.delete(f"/{task['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert alice.get().json()["tasks"] == [kept]


def test_6_2_a_missing_task_is_404(alice: Person) -> None:
    assert_refused(alice.delete(f"/{NO_TASK}"), 404, "task_not_found")


def test_6_3_a_task_of_somebody_else_is_403_by_path_and_404_by_id(
    alice: Person, bob: Person
) -> None:
    task = alice.create()
    path = f"/{task['id']}"
    assert_refused(bob.delete(alice.tasks + path), 403, "forbidden")
    assert_refused(bob.delete(path), 404, "task_not_found")
    assert alice.get(path).json() == task


def test_6_4_every_operation_on_a_deleted_task_is_404(alice: Person) -> None:
    path = f"/{alice.create()['id']}"
    alice.delete(path)
    assert_refused(alice.delete(path), 404, "task_not_found")
    assert_refused(alice.get(path), 404, "task_not_found")
    assert_refused(alice.put(path, json={"title": "Back"}), 404, "task_not_found")
    assert_refused(alice.patch(f"{path}/complete"), 404, "task_not_found")


def test_6_5_an_id_is_never_given_out_again(alice: Person) -> None:
    first = alice.create()
    alice.delete(f"/{first['id']}")
    second = alice.create()
    assert int(str(second["id"])) > int(str(first["id"]))
