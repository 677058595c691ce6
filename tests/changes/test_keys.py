"""The keys that clients give tasks, told by the feed."""

from support.feed import changes
from support.people import Person


def test_a_change_has_the_key_that_its_client_gave_the_task(alice: Person, bob: Person) -> None:
    for person in (bob, alice):
        person.create("No key")
        operations = [{"op": "create", "key": "c-1_A", "title": person.id}]
        person.post("/batch", json={"operations": operations})
    told = changes(alice).json()["changes"]
    assert [(change["key"], change["task"]["title"]) for change in told] == [
        (None, "No key"),
        ("c-1_A", alice.id),
    ]


def test_a_deletion_has_it_too(alice: Person) -> None:
    operations = [
        {"op": "create", "key": "c-1", "title": "Buy milk"},
        {"op": "delete", "key": "c-1"},
    ]
    since = changes(alice).json()["next"]
    alice.post("/batch", json={"operations": operations})
    [told] = changes(alice, since).json()["changes"]
    assert (told["key"], told["etag"], told["task"]) == ("c-1", None, None)
