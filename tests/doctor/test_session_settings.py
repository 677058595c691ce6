"""Settings that an operator or a platform gave the database: what breaks something is named."""

import pytest

from support.doctor import examined
from support.own_database import OwnDatabase
from support.people import Person, token_for
from support.service import as_service, client_of, prepare, serving, settings_for
from taskapi.doctor.identity import SETVAL

BREAKING = {
    "default_transaction_read_only": "on",
    "row_security": "off",
    "synchronous_commit": "off",
}

HARMLESS = {
    "standard_conforming_strings": "off",
    "escape_string_warning": "off",
    "backslash_quote": "off",
    "array_nulls": "off",
    "bytea_output": "escape",
    "datestyle": "German, YMD",
    "intervalstyle": "sql_standard",
    "timezone": "Asia/Kathmandu",
    "extra_float_digits": "-15",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "default_transaction_isolation": "serializable",
    "xmloption": "document",
    "client_encoding": "LATIN1",
    "enable_seqscan": "off",
    "plan_cache_mode": "force_generic_plan",
}
"""With which statements could mean something else, and do not."""


@pytest.fixture
def migrated(own: OwnDatabase) -> OwnDatabase:
    """A database of a service, whose role has all rights there."""
    prepare(own.address)
    return own


def name_of(own: OwnDatabase) -> str:
    return str(own.run("SELECT current_database()")[0][0])


@pytest.mark.parametrize("holder", ["DATABASE {0}", "ROLE taskapi_service IN DATABASE {0}"])
@pytest.mark.parametrize("setting", BREAKING)
def test_a_setting_that_breaks_something_is_named_with_the_line_that_resets_it(
    migrated: OwnDatabase, setting: str, holder: str
) -> None:
    whose = f"ALTER {holder.format(name_of(migrated))}"
    migrated.run(f"{whose} SET {setting} = {BREAKING[setting]}")
    service = as_service(migrated.address)
    finding = examined(service)[f"setting {setting}"]
    assert finding.good is False
    assert str(finding.remedy).endswith(f"{whose} RESET {setting}")
    migrated.run_script(*str(finding.remedy).split("; "))
    found = examined(service)
    assert found["session settings"].good
    assert found["schema"].good


def test_other_settings_change_nothing_that_the_service_does(migrated: OwnDatabase) -> None:
    for setting, value in HARMLESS.items():
        migrated.run(f"ALTER DATABASE {name_of(migrated)} SET {setting} = '{value}'")
    text = {"title": 'It\'s \\ 100% "ok" \\u0041', "description": "C:\\Temp\n{NULL}\\\\'"}
    with serving(settings_for(migrated.address)) as address, client_of(address) as http:
        alice = Person("1", token_for("1"), http)
        task = alice.post(json=text).json()
        assert {name: task[name] for name in text} == text
        assert alice.get(f"/{task['id']}").json() == task
        assert alice.get(params={"q": "\\ 100%", "sort": "title"}).json()["tasks"] == [task]
        changed = alice.patch(f"/{task['id']}", json={"description": None}).json()
        assert changed["updated_at"] > task["updated_at"]
        assert changed["created_at"] == task["created_at"]
        [change] = alice.get("/changes").json()["changes"]
        assert change["task"] == changed
    assert not [it for it in examined(as_service(migrated.address)).values() if it.good is False]


def test_ids_behind_the_tasks_are_named_with_the_line_that_mends_them(
    migrated: OwnDatabase,
) -> None:
    """As logical replication leaves them, which copies rows and no sequences."""
    owner = migrated.address.as_role("taskapi")
    migrated.run_script(
        "INSERT INTO users (id) VALUES (1)",
        "INSERT INTO tasks (id, title, user_id) OVERRIDING SYSTEM VALUE VALUES (7, 'Copied', 1)",
    )
    finding = examined(migrated.address, database_url=owner.dsn)["ids of new tasks"]
    assert finding.text == "from 1, which are taken: there is a task 7"
    assert SETVAL in str(finding.remedy)
    migrated.run(SETVAL)
    finding = examined(migrated.address, database_url=owner.dsn)["ids of new tasks"]
    assert (finding.good, finding.text) == (True, "above 7, the largest so far")


def test_who_cannot_see_the_ids_is_told_so(migrated: OwnDatabase) -> None:
    finding = examined(as_service(migrated.address))["ids of new tasks"]
    assert (finding.good, "as the owner" in finding.text) == (None, True)
