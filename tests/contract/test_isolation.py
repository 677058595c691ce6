"""Nobody sees or changes what is somebody else's."""

from support import Person


def test_a_task_of_somebody_else_is_404_under_ones_own_path(alice: Person, bob: Person) -> None:
    task = alice.create()
    assert bob.get(f"/{task['id']}").status_code == 404
