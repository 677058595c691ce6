"""Two devices of one user, kept in step by RxDB and TanStack DB with the TypeScript client."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from support.background import Background
from support.device import Device, Fields, device, fields_of
from support.feed import changes, token_of_now
from support.network import Network
from support.people import Person
from support.rows import execute
from support.waiting import eventually
from taskapi.database.url import DatabaseUrl

only_rxdb = pytest.mark.parametrize("start", ["rxdb"], indirect=True)


@pytest.fixture(params=["rxdb", "tanstack"])
def start(
    request: pytest.FixtureRequest,
    background: Background,
    service: str,
    alice: Person,
) -> Iterator[Callable[[], Device]]:
    """Starts a device of Alice's, with a network of its own."""
    with ExitStack() as stack:

        def started() -> Device:
            network = stack.enter_context(Network(background, service).running())
            return stack.enter_context(device(request.param, alice, network))

        yield started


@pytest.fixture
def laptop(start: Callable[[], Device]) -> Device:
    return start()


@pytest.fixture
def phone(start: Callable[[], Device]) -> Device:
    return start()


def service_of(person: Person) -> dict[str, Fields]:
    """The tasks of the service, by the names that devices have for them."""
    told = changes(person, limit=1000).json()["changes"]
    return {
        change["key"] or f"#{change['id']}": fields_of(change["task"])
        for change in told
        if change["task"] is not None
    }


def assert_in_step(person: Person, *devices: Device, **titles: str) -> None:
    """Hold that service and devices come to have tasks of these titles, and are the same."""

    def is_so() -> bool:
        stored = service_of(person)
        told = {name: task["title"] for name, task in stored.items()}
        return told == titles and all(each.tasks == stored for each in devices)

    eventually(is_so, f"all have {titles}")


def test_creates_edits_and_deletions_reach_the_other_device(
    alice: Person, laptop: Device, phone: Device
) -> None:
    laptop.add("milk", title="Buy milk")
    phone.add("tea", title="Buy tea")
    assert_in_step(alice, laptop, phone, milk="Buy milk", tea="Buy tea")
    phone.edit("milk", title="Buy oat milk", is_completed=True)
    laptop.remove("tea")
    assert_in_step(alice, laptop, phone, milk="Buy oat milk")
    assert laptop.tasks["milk"]["is_completed"] is True


def test_tasks_without_a_key_are_known_by_their_id(
    alice: Person, laptop: Device, phone: Device
) -> None:
    names = [f"#{alice.create(title)['id']}" for title in ("Buy milk", "Buy tea")]
    assert_in_step(alice, laptop, phone, **dict(zip(names, ("Buy milk", "Buy tea"), strict=True)))
    laptop.edit(names[0], title="Buy oat milk")
    phone.remove(names[1])
    assert_in_step(alice, laptop, phone, **{names[0]: "Buy oat milk"})


def test_a_copy_of_several_pages_and_batches_is_complete(
    alice: Person, laptop: Device, phone: Device
) -> None:
    titles = {f"c-{number}": f"Task {number}" for number in range(501)}
    laptop.network.cut()
    laptop.add_all([{"name": name, "title": title} for name, title in titles.items()])
    laptop.network.mend()
    assert_in_step(alice, laptop, phone, **titles)


def test_edits_made_offline_of_different_tasks_and_fields_all_stay(
    alice: Person, laptop: Device, phone: Device
) -> None:
    laptop.add("milk", title="Buy milk")
    laptop.add("tea", title="Buy tea")
    assert_in_step(alice, laptop, phone, milk="Buy milk", tea="Buy tea")
    laptop.network.cut()
    phone.network.cut()
    laptop.edit("milk", title="Buy oat milk")
    phone.edit("milk", description="Two litres")
    phone.edit("milk", is_completed=True)
    phone.edit("tea", title="Buy green tea")
    laptop.add("bread", title="Buy bread")
    laptop.edit("bread", title="Buy rye bread")
    phone.add("jam", title="Buy jam")
    phone.remove("jam")
    laptop.network.mend()
    phone.network.mend()
    titles = {"milk": "Buy oat milk", "tea": "Buy green tea", "bread": "Buy rye bread"}
    assert_in_step(alice, laptop, phone, **titles)
    milk = {"title": "Buy oat milk", "description": "Two litres", "is_completed": True}
    eventually(lambda: service_of(alice)["milk"] == milk, "every edit of the milk is there")
    assert_in_step(alice, laptop, phone, **titles)


def test_of_two_edits_of_one_field_the_last_to_arrive_stays(
    alice: Person, laptop: Device, phone: Device
) -> None:
    laptop.add("milk", title="Buy milk")
    assert_in_step(alice, laptop, phone, milk="Buy milk")
    phone.network.cut()
    phone.edit("milk", title="Buy soy milk")
    laptop.edit("milk", title="Buy oat milk", is_completed=True)
    assert_in_step(alice, laptop, milk="Buy oat milk")
    assert phone.tasks["milk"]["title"] == "Buy soy milk"
    phone.network.mend()
    assert_in_step(alice, laptop, phone, milk="Buy soy milk")
    assert service_of(alice)["milk"]["is_completed"] is True


@only_rxdb
def test_rxdb_is_told_of_a_conflict(alice: Person, laptop: Device, phone: Device) -> None:
    """So that an application can resolve it in its own way."""
    laptop.add("milk", title="Buy milk")
    assert_in_step(alice, laptop, phone, milk="Buy milk")
    phone.network.cut()
    phone.edit("milk", title="Buy soy milk")
    laptop.edit("milk", title="Buy oat milk")
    assert_in_step(alice, laptop, milk="Buy oat milk")
    assert phone.conflicts == 0
    phone.network.mend()
    assert_in_step(alice, laptop, phone, milk="Buy soy milk")
    assert phone.conflicts > 0


def test_edits_in_quick_succession_all_arrive(alice: Person, laptop: Device, phone: Device) -> None:
    """Also those that are made before the device knows the version that its last one has made."""
    laptop.add("milk")
    for number in range(30):
        laptop.edit("milk", title=f"Buy {number} litres")
        laptop.edit("milk", description=str(number))
    assert_in_step(alice, laptop, phone, milk="Buy 29 litres")
    eventually(lambda: service_of(alice)["milk"]["description"] == "29", "the last one is there")
    assert_in_step(alice, laptop, phone, milk="Buy 29 litres")


def test_a_deletion_wins_over_an_edit(alice: Person, laptop: Device, phone: Device) -> None:
    """Whichever of the two arrives first."""
    laptop.add("milk", title="Buy milk")
    laptop.add("tea", title="Buy tea")
    assert_in_step(alice, laptop, phone, milk="Buy milk", tea="Buy tea")
    phone.network.cut()
    phone.edit("milk", title="Buy oat milk")
    phone.remove("tea")
    laptop.remove("milk")
    laptop.edit("tea", title="Buy green tea")
    assert_in_step(alice, laptop, tea="Buy green tea")
    phone.network.mend()
    assert_in_step(alice, laptop, phone)


def test_a_create_whose_answer_is_lost_makes_one_task(
    alice: Person, laptop: Device, phone: Device
) -> None:
    """It is sent again, although the task has been edited on both devices since."""
    laptop.network.loses_answers = True
    laptop.add("milk", title="Buy milk")
    assert_in_step(alice, phone, milk="Buy milk")
    laptop.network.cut()
    laptop.edit("milk", title="Buy oat milk")
    phone.edit("milk", description="Two litres")
    eventually(lambda: service_of(alice)["milk"]["description"], "the phone's edit is there")
    laptop.network.mend()
    assert_in_step(alice, laptop, phone, milk="Buy oat milk")
    assert service_of(alice)["milk"]["description"] == "Two litres"


@only_rxdb
def test_a_create_that_is_repeated_after_a_restart_makes_one_task(
    alice: Person, laptop: Device, phone: Device
) -> None:
    """The edits made since are then part of it, so that the service does not do them."""
    laptop.network.loses_answers = True
    laptop.add("milk", title="Buy milk")
    assert_in_step(alice, phone, milk="Buy milk")
    laptop.network.cut()
    laptop.edit("milk", title="Buy oat milk")
    laptop.restart()
    phone.edit("milk", description="Two litres")
    eventually(lambda: service_of(alice)["milk"]["description"], "the phone's edit is there")
    laptop.network.mend()
    assert_in_step(alice, laptop, phone, milk="Buy oat milk")
    assert service_of(alice)["milk"]["description"] == "Two litres"


def test_a_create_whose_answer_is_lost_does_not_undo_a_deletion(
    alice: Person, laptop: Device, phone: Device
) -> None:
    laptop.network.loses_answers = True
    laptop.add("milk", title="Buy milk")
    assert_in_step(alice, phone, milk="Buy milk")
    laptop.network.cut()
    phone.remove("milk")
    assert_in_step(alice, phone)
    laptop.network.mend()
    assert_in_step(alice, laptop, phone)


def test_after_410_a_device_drops_what_is_gone_and_sends_what_it_has_not_sent(
    database: DatabaseUrl, alice: Person, phone: Device
) -> None:
    for name in ("milk", "tea"):
        phone.add(name, title=f"Buy {name}")
    assert_in_step(alice, phone, milk="Buy milk", tea="Buy tea")
    since = token_of_now(alice)
    phone.network.cut()
    phone.edit("tea", title="Buy green tea")
    phone.add("bread", title="Buy bread")
    alice.post("/batch", json={"operations": [{"op": "delete", "key": "milk"}]})
    # As after a backup was restored, and so that nobody is told of the deletion.
    user = int(alice.id)
    execute(database, "UPDATE user_clocks SET started_at = now() WHERE user_id = $1", user)
    execute(database, "DELETE FROM tombstones WHERE user_id = $1", user)
    assert changes(alice, since).json()["code"] == "resync_required"
    assert phone.tasks.keys() == {"milk", "tea", "bread"}
    phone.network.mend()
    assert_in_step(alice, phone, tea="Buy green tea", bread="Buy bread")
