"""Keys that change while the service runs, and a secret beside them."""

import pytest

from support.auth_server import running
from support.auth_stage import MODES, Stage, fetch, in_mode, staged
from support.people import SECRET, Person
from taskapi.auth.token import parse
from taskapi.database.url import DatabaseUrl


def header_of(person: Person) -> tuple[str, str | None]:
    """The algorithm and the key that a token names."""
    token = parse(person.token.encode())
    return token.algorithm, token.key_id


def rotate(stage: Stage) -> None:
    """Let the keys end now; Better Auth makes a new one when it signs next."""
    fetch(stage.database, """UPDATE jwks SET "expiresAt" = now() - interval '1 second'""")


@pytest.mark.parametrize("stage", ["default", "serial ids"], indirect=True)
def test_a_rotation_is_not_noticed(stage: Stage) -> None:
    """New keys work at once, twice in a row too, and tokens of the old ones until they expire."""
    account = stage.auth.sign_up()
    people = [stage.person(account)]
    people[0].create()
    for _ in range(2):
        rotate(stage)
        people.append(stage.person(account))
        people[-1].create()

    assert len({header_of(person) for person in people}) == 3
    assert [person.get().json()["total"] for person in people] == [3, 3, 3]


def test_a_change_of_algorithm(database: DatabaseUrl) -> None:
    """Better Auth signs with the key that it has until that ends; then it publishes both kinds."""
    with (
        staged(MODES["default"], database) as stage,
        running("algorithm", stage.database, JWT_ALGORITHM="ES256") as changed,
        stage.service(
            better_auth_url=None, better_auth_jwks_url=f"{changed.url}/api/auth/jwks"
        ) as http,
    ):
        before = stage.sign_up()
        rotate(stage)
        after = stage.person(changed.sign_up("Bob"), http)
        before.http = http
        assert (header_of(before)[0], header_of(after)[0]) == ("EdDSA", "ES256")
        assert before.get().status_code == after.get().status_code == 200


@in_mode("serial ids")
def test_a_shared_secret_and_a_key_set_together(stage: Stage) -> None:
    """As on the day when Better Auth changes from one to the other."""
    account = stage.auth.sign_up()
    alice = stage.person(account)
    with (
        running("shared-secret", stage.database) as other,
        stage.service(
            better_auth_url=None,
            better_auth_jwks_url=f"{stage.auth.url}/api/auth/jwks",
            better_auth_secret=SECRET,
        ) as http,
    ):
        account.move(other)
        also_alice = stage.person(account, http)
        alice.http = http
        assert (header_of(alice)[0], header_of(also_alice)) == ("EdDSA", ("HS256", None))
        assert alice.get().json() == also_alice.get().json()
        assert alice.create()["user_id"] == also_alice.create()["user_id"] == int(account.id)


@in_mode("default")
def test_keys_at_another_address(stage: Stage) -> None:
    """As in a container, where Better Auth has another name than browsers know it by."""
    account = stage.auth.sign_up()
    inside = stage.auth.url.replace("127.0.0.1", "localhost")
    with stage.service(better_auth_jwks_url=f"{inside}/api/auth/jwks") as http:
        assert stage.person(account, http).get().status_code == 200
