"""What each operation changes, what it never changes, and that nothing is lost when many try.

FR-004, FR-006, FR-014 to FR-016, SC-006, SC-010.
"""

import asyncio
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from support.calls import assert_refused, at_once, moment
from support.people import Person
from taskapi.database.url import DatabaseUrl

NOT_A_CLIENTS = {
    "id": 1,
    "user_id": 1,
    "is_completed": True,
    "created_at": "2000-01-01T00:00:00Z",
    "updated_at": "2000-01-01T00:00:00Z",
    "colour": "blue",
    "__proto__": {"title": "x"},
}
"""Members that TaskUpdate ignores, whatever their values, and TaskCreate but for is_completed."""


# Members that a client may not set


def test_a_new_task_can_be_completed_already(alice: Person) -> None:
    """A value that is answered with 201 and dropped would be lost without a word."""
    response = alice.post(json={"title": "Buy milk", "is_completed": True})
    assert (response.status_code, response.json()["is_completed"]) == (201, True)
    assert alice.get(f"/{response.json()['id']}").json()["is_completed"] is True


@pytest.mark.parametrize("value", ["true", 1, None, [], "nonsense"])
def test_the_completion_of_a_new_task_is_a_boolean(alice: Person, value: object) -> None:
    response = alice.post(json={"title": "Buy milk", "is_completed": value})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "is_completed"]


@pytest.mark.parametrize("values", [NOT_A_CLIENTS, dict.fromkeys(NOT_A_CLIENTS, "nonsense")])
def test_ignored_members_of_a_new_task_take_no_effect(
    alice: Person, values: dict[str, Any]
) -> None:
    values = {name: values[name] for name in values if name != "is_completed"}
    first = alice.create("Buy milk")
    response = alice.post(json=values | {"title": "Buy tea"})
    task = response.json()
    assert response.status_code == 201
    assert task == {
        "id": task["id"],
        "title": "Buy tea",
        "description": "",
        "is_completed": False,
        "created_at": task["created_at"],
        "updated_at": task["created_at"],
        "user_id": int(alice.id),
    }
    assert task["id"] > int(str(first["id"]))
    assert moment(task["created_at"]) > moment(first["created_at"])


@pytest.mark.parametrize("values", [NOT_A_CLIENTS, dict.fromkeys(NOT_A_CLIENTS)])
def test_ignored_members_of_an_update_take_no_effect(alice: Person, values: dict[str, Any]) -> None:
    task = alice.create("Buy milk")
    changed = alice.put(f"/{task['id']}", json=values | {"title": "Buy tea"}).json()
    assert changed == task | {"title": "Buy tea", "updated_at": changed["updated_at"]}
    assert moment(changed["updated_at"]) > moment(task["updated_at"])


def test_a_task_that_was_read_can_be_sent_back(alice: Person) -> None:
    task = alice.create("Buy milk", "Two litres")
    back = alice.put(f"/{task['id']}", json=task).json()
    copy = alice.post(json=task).json()
    assert back == task | {"updated_at": back["updated_at"]}
    assert (copy["title"], copy["description"]) == (task["title"], task["description"])
    assert copy["id"] != task["id"]


# PUT


@pytest.mark.parametrize(
    ("body", "title", "description"),
    [
        ({"title": "New"}, "New", "old text"),
        ({"title": "New", "description": None}, "New", "old text"),
        ({"description": "new text"}, "Old", "new text"),
        ({"title": None, "description": "new text"}, "Old", "new text"),
        ({"title": "New", "description": ""}, "New", ""),
        ({"title": " New ", "description": " new text "}, "New", " new text "),
    ],
)
def test_put_leaves_what_is_omitted_or_null(
    alice: Person, body: dict[str, Any], title: str, description: str
) -> None:
    task = alice.create("Old", "old text")
    changed = alice.put(f"/{task['id']}", json=body).json()
    assert (changed["title"], changed["description"]) == (title, description)
    assert alice.get(f"/{task['id']}").json() == changed


@pytest.mark.parametrize(
    "body", [{}, {"title": None}, {"title": None, "description": None}, {"is_completed": True}]
)
def test_put_of_neither_title_nor_description_is_422(alice: Person, body: dict[str, Any]) -> None:
    task = alice.create()
    assert_refused(alice.put(f"/{task['id']}", json=body), 422, "validation_failed")
    assert alice.get(f"/{task['id']}").json() == task


def test_put_leaves_completion_as_it_is(alice: Person) -> None:
    path = f"/{alice.create()['id']}"
    alice.patch(f"{path}/complete")
    assert alice.put(path, json={"title": "New", "is_completed": False}).json()["is_completed"]


# Completion


@pytest.mark.parametrize("wanted", [True, False])
def test_setting_completion_is_idempotent(alice: Person, wanted: bool) -> None:
    """SC-010: what is set already stays as it is, its time of change included."""
    path = f"/{alice.create()['id']}/complete"
    alice.patch(path, json={"is_completed": not wanted})
    first, second, third = (alice.patch(path, json={"is_completed": wanted}) for _ in range(3))
    assert first.json()["is_completed"] is wanted
    assert first.content == second.content == third.content


def test_setting_completion_to_what_it_is_changes_nothing_at_all(alice: Person) -> None:
    task = alice.create()
    unchanged = alice.patch(f"/{task['id']}/complete", json={"is_completed": False})
    assert (unchanged.status_code, unchanged.json()) == (200, task)


@pytest.mark.parametrize("options", [{}, {"content": b""}, {"content": iter([])}])
def test_without_a_body_completion_is_toggled(alice: Person, options: dict[str, Any]) -> None:
    path = f"/{alice.create()['id']}/complete"
    assert alice.patch(path, **options).json()["is_completed"] is True


@pytest.mark.parametrize("value", ["true", "yes", "", 1, 0, 1.0, None, [], {}, [True]], ids=repr)
def test_completion_is_set_to_true_or_false_and_nothing_like_them(
    alice: Person, value: object
) -> None:
    task = alice.create()
    path = f"/{task['id']}"
    response = alice.patch(f"{path}/complete", json={"is_completed": value})
    assert_refused(response, 422, "validation_failed")
    assert alice.get(path).json() == task


def test_a_body_that_does_not_say_which_completion_is_422(alice: Person) -> None:
    path = f"/{alice.create()['id']}/complete"
    assert_refused(alice.patch(path, json={}), 422, "validation_failed")
    assert_refused(alice.patch(path, json={"completed": True}), 422, "validation_failed")


# Times


def test_updated_at_is_strictly_later_after_every_change(alice: Person) -> None:
    task = alice.create()
    path = f"/{task['id']}"
    changed = [task]
    for number in range(10):
        changed.append(alice.put(path, json={"title": f"Title {number}"}).json())
        changed.append(alice.put(path, json={"title": f"Title {number}"}).json())
        changed.append(alice.patch(f"{path}/complete").json())
    times = [moment(version["updated_at"]) for version in changed]
    assert all(earlier < later for earlier, later in pairwise(times))
    assert {version["created_at"] for version in changed} == {task["created_at"]}


def test_updated_at_is_later_even_where_the_clock_is_behind_it(
    database: DatabaseUrl, alice: Person
) -> None:
    task = alice.create()
    path = f"/{task['id']}"

    async def set_ahead() -> None:
        connection = await asyncpg.connect(database.dsn)
        await connection.execute(
            "UPDATE tasks SET updated_at = '2100-01-01T00:00:00Z' WHERE id = $1", task["id"]
        )
        await connection.close()

    asyncio.run(set_ahead())
    put = alice.put(path, json={"title": "x"}).json()
    toggled = alice.patch(f"{path}/complete").json()
    assert put["updated_at"] == "2100-01-01T00:00:00.000001Z"
    assert toggled["updated_at"] == "2100-01-01T00:00:00.000002Z"


# Many at once


def test_40_parallel_toggles_end_where_they_began_20_each_way(alice: Person) -> None:
    task = alice.create()
    path = f"/{task['id']}"
    responses = at_once([lambda: alice.patch(f"{path}/complete")] * 40)
    states = [response.json()["is_completed"] for response in responses]
    last = max(responses, key=lambda response: moment(response.json()["updated_at"]))
    assert {response.status_code for response in responses} == {200}
    assert (states.count(True), states.count(False)) == (20, 20)
    assert len({response.json()["updated_at"] for response in responses}) == 40
    assert alice.get(path).json() == last.json() == task | {"updated_at": last.json()["updated_at"]}


def test_of_parallel_settings_of_completion_one_changes_the_task(alice: Person) -> None:
    """SC-010."""
    path = f"/{alice.create()['id']}/complete"
    responses = at_once([lambda: alice.patch(path, json={"is_completed": True})] * 20)
    assert len({response.content for response in responses}) == 1
    assert responses[0].json()["is_completed"] is True


@pytest.mark.parametrize("attempt", range(5))
def test_put_against_delete_gives_one_204_and_404s(alice: Person, attempt: int) -> None:
    path = f"/{alice.create()['id']}"
    puts = [lambda: alice.put(path, json={"title": "Still here"})] * 10
    deletes = [lambda: alice.delete(path)] * 10
    alternating = [request for pair in zip(puts, deletes, strict=True) for request in pair]
    statuses = [response.status_code for response in at_once(alternating)]
    put, deleted = statuses[::2], statuses[1::2]
    assert (deleted.count(204), deleted.count(404)) == (1, 9)
    assert set(put) <= {200, 404}
    assert_refused(alice.get(path), 404, "task_not_found")


def test_parallel_creations_are_all_kept(alice: Person) -> None:
    """Also the user's own row, which all of them may want to make first."""
    responses = at_once([lambda: alice.post(json={"title": "Buy milk"})] * 30)
    assert {response.status_code for response in responses} == {201}
    created = {response.json()["id"] for response in responses}
    assert {task["id"] for task in alice.get().json()["tasks"]} == created
    assert len(created) == 30
