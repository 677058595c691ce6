"""Who is a user: the rows of Better Auth's table, or everybody whom it vouches for."""

import pytest

from support.auth_server import running
from support.auth_stage import Stage, create_database, fetch, in_mode
from support.service import prepare
from taskapi.database.url import DatabaseUrl


@pytest.fixture
def apart(stage: Stage, database: DatabaseUrl) -> DatabaseUrl:
    """A database for tasks alone: the users table has only ids, and Better Auth does not see it."""
    address = create_database(database)
    prepare(address, **stage.settings)
    return address


@in_mode("default")
def test_in_a_database_apart_nobody_is_known(stage: Stage, apart: DatabaseUrl) -> None:
    account = stage.auth.sign_up()
    with stage.service(apart) as http:
        alice = stage.person(account, http)
        assert alice.get().json()["code"] == "user_not_found"
        assert alice.post(json={"title": "Buy milk"}).json()["code"] == "user_not_found"


@in_mode("default")
def test_in_a_database_apart_users_can_be_made_on_the_way(stage: Stage, apart: DatabaseUrl) -> None:
    account = stage.auth.sign_up()
    with stage.service(apart, create_unknown_users=True) as http:
        alice = stage.person(account, http)
        assert alice.get().json()["tasks"] == []
        assert alice.create()["user_id"] == account.id
        assert alice.create()["user_id"] == account.id
    assert fetch(apart, 'SELECT id FROM "user"') == [(account.id,)]


@pytest.mark.parametrize("stage", ["default", "serial ids"], indirect=True)
def test_in_better_auths_own_table_no_user_can_be_made(stage: Stage) -> None:
    """It wants a name and an address, so that a deleted user does not come back as a ghost."""
    account = stage.auth.sign_up()
    with stage.service(create_unknown_users=True) as http:
        alice = stage.person(account, http)
        account.delete()
        refused = alice.post(json={"title": "From beyond"})
    assert (refused.status_code, refused.json()["code"]) == (404, "user_not_found")


def test_better_auth_extends_our_users_table_only_while_it_is_empty(database: DatabaseUrl) -> None:
    """Its columns have no defaults, so it must migrate before the first user comes."""
    address = create_database(database)
    prepare(address)
    fetch(address, "INSERT INTO users DEFAULT VALUES")
    with pytest.raises(RuntimeError, match="ended"), running("serial", address):
        pass
