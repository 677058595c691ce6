"""From sign-up to a deleted account, with tokens that Better Auth itself signed.

Every test runs in every mode: each kind of key, every type of user id, and either side's tables
made first.
"""

from support.auth_stage import Stage, fetch


def test_a_new_user_uses_all_six_operations(stage: Stage) -> None:
    """FR-001 to FR-007, with the settings that docs/better-auth.md gives and no others."""
    alice = stage.sign_up()

    assert alice.get().json()["tasks"] == []
    task = alice.create("Buy milk", "two litres")
    assert str(task["user_id"]) == alice.id

    path = f"/{task['id']}"
    assert alice.get(path).json() == task
    assert alice.put(path, json={"title": "Buy oat milk"}).json()["title"] == "Buy oat milk"
    assert alice.patch(f"{path}/complete").json()["is_completed"] is True
    assert alice.get().json()["total"] == 1
    assert alice.delete(path).status_code == 204
    assert alice.get(path).json()["code"] == "task_not_found"


def test_nobody_reaches_what_is_anothers(stage: Stage) -> None:
    """FR-008, FR-009, FR-011, FR-020: by path it is refused, by id it is not there."""
    alice, bob = stage.sign_up("Alice"), stage.sign_up("Bob")
    task = alice.create()

    assert bob.get(alice.tasks).json()["code"] == "forbidden"
    assert bob.get(f"{alice.tasks}/{task['id']}").json()["code"] == "forbidden"
    assert bob.get(f"/{task['id']}").json()["code"] == "task_not_found"
    assert bob.delete(f"/{task['id']}").json()["code"] == "task_not_found"
    assert bob.get().json()["tasks"] == []
    assert alice.get(f"/{task['id']}").json() == task


def test_a_deleted_account_takes_its_tasks_along(stage: Stage) -> None:
    """The token outlives the user, and gets 404 on every operation."""
    account = stage.auth.sign_up()
    alice = stage.person(account)
    task = alice.create()
    path = f"/{task['id']}"

    account.delete()

    assert fetch(stage.database, "SELECT FROM tasks WHERE id = $1", task["id"]) == []
    answers = [
        alice.get(),
        alice.post(json={"title": "From beyond"}),
        alice.get(path),
        alice.put(path, json={"title": "From beyond"}),
        alice.patch(f"{path}/complete"),
        alice.delete(path),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
        (404, "user_not_found")
    }
