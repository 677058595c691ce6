"""`taskapi doctor`: what is wrong, and what to do about it."""

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from support.doctor import examined
from support.forgery import forge
from support.oauth import ACCEPTED, ISSUER, PUBLIC_URL, access_token
from support.own_database import OwnDatabase
from support.people import SECRET, Person, token_for
from support.programs import run
from support.service import as_service, client_of, prepare, serving, settings_for
from taskapi.database.schema import migrate
from taskapi.database.tables import own_tables
from taskapi.database.url import DatabaseUrl

ORDER = [
    "settings",
    "database",
    "server version",
    "connected to",
    "encoding",
    "writes",
    "clocks",
    "session settings",
    "tables",
    "schema",
    "rights",
    "row security",
    "unknown users",
    "ids of new tasks",
    "connections",
    "secret",
]
"""Of what is looked at: what comes first has to be put right first."""

NOWHERE = {
    "postgresql://taskapi@127.0.0.1:1/postgres": "start PostgreSQL there",
    "postgresql://taskapi@database.invalid/postgres": "correct the host name",
}

TOKENS = {
    "expired": (token_for("1", exp=1_700_000_000), "fetch a new token"),
    "too early": (token_for("1", nbf=4_000_000_000), "clocks"),
    "of a text id": (token_for("Kx3mQ9vT2bLw"), "USER_ID_TYPE=text"),
    "with an asymmetric signature": ("eyJhbGciOiJFUzI1NiJ9.e30.AAAA", "BETTER_AUTH_URL"),
    "a session": ("a" * 32, "authClient.token()"),
}


def test_all_is_looked_at_in_order_and_all_is_well(database: DatabaseUrl) -> None:
    found = examined(as_service(database))
    assert list(found) == ORDER
    assert not [finding for finding in found.values() if finding.good is False]


@pytest.mark.parametrize(("url", "remedy"), NOWHERE.items())
def test_a_database_that_is_not_there(url: str, remedy: str) -> None:
    found = examined(DatabaseUrl(url))
    assert [it for it in found if it != "way to the database"] == ["settings", "database", "secret"]
    assert found["database"].good is False
    assert remedy in str(found["database"].remedy)


def test_a_database_that_does_not_exist(own: OwnDatabase) -> None:
    missing = replace(own.address, dsn=own.address.dsn.replace("/test_", "/missing_"))
    assert "create the database" in str(examined(missing)["database"].remedy)


def test_a_database_without_our_tables(own: OwnDatabase) -> None:
    found = examined(own.address)
    assert found["schema"].good is False
    assert "taskapi migrate" in str(found["schema"].remedy)
    assert "rights" not in found


def test_a_database_with_user_ids_of_another_type(own: OwnDatabase) -> None:
    """A migration would change nothing."""
    own.migrate()
    finding = examined(own.address, user_id_type="text")["schema"]
    assert finding.good is False
    assert finding.remedy == "set USER_ID_TYPE=integer"


def test_a_database_whose_tasks_belong_to_another_table(own: OwnDatabase) -> None:
    own.migrate()
    finding = examined(own.address, users_table="user")["schema"]
    assert finding.good is False
    assert finding.remedy == "set USERS_TABLE=users"


def test_a_users_table_of_ours_beside_the_auth_servers_is_named(own: OwnDatabase) -> None:
    """It was made first, and Better Auth made its own under another name: each create is 404."""
    strict = {"create_unknown_users": False}
    own.migrate()
    assert "users table" not in examined(own.address, None, **strict)
    own.run('CREATE TABLE "user" (id int PRIMARY KEY)')
    finding = examined(own.address, None, **strict)["users table"]
    assert "users, which taskapi has made, has nobody in it" in finding.text
    assert "USERS_TABLE=user," in str(finding.remedy)
    assert "users table" not in examined(own.address, create_unknown_users=True)
    own.run("INSERT INTO users DEFAULT VALUES")
    assert "users table" not in examined(own.address, None, **strict)


def test_that_is_put_right_as_it_says(own: OwnDatabase) -> None:
    own.migrate()
    own.run('CREATE TABLE "user" (id int PRIMARY KEY)')
    settings = settings_for(own.address, users_table="users")
    migrate(settings, own.address, "base", down=True)
    prepare(own.address, users_table="user")
    found = examined(own.address, users_table="user", create_unknown_users=False)
    assert found["schema"].good is True
    assert "users table" not in found


def test_a_database_in_another_encoding(database: DatabaseUrl) -> None:
    name = f"operations_{secrets.token_hex(4)}"
    operator = OwnDatabase(database)
    operator.run_script(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        found = examined(DatabaseUrl(database.dsn.replace("/postgres?", f"/{name}?"), pooler=False))
    finally:
        operator.run_script(f"DROP DATABASE {name} WITH (FORCE)")
    assert found["encoding"].good is False
    assert "UTF8" in str(found["encoding"].remedy)


@pytest.fixture
def role(own: OwnDatabase) -> Iterator[str]:
    """A user of the database who was given no rights."""
    name = f"role_{secrets.token_hex(4)}"
    own.migrate()
    own.run_script(f"CREATE ROLE {name} LOGIN")
    yield name
    own.run_script(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_a_schema_that_the_role_may_not_read(own: OwnDatabase, role: str) -> None:
    finding = examined(own.user(role))["schema"]
    assert finding.good is False
    assert f"run: taskapi grant {role}" in str(finding.remedy)


def test_rights_that_are_missing_are_named(own: OwnDatabase, role: str) -> None:
    own.run_script(
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        f"REVOKE DELETE ON tasks FROM {role}",
    )
    found = examined(own.user(role), create_unknown_users=False)
    assert found["rights"].good is False
    assert found["rights"].text == "missing: DELETE on tasks"
    assert f"run: taskapi grant {role}" in str(found["rights"].remedy)


def test_the_rights_that_are_asked_for_are_enough(own: OwnDatabase, role: str) -> None:
    own.run_script(
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(own_tables())} TO {role}",
        f"GRANT SELECT (id), INSERT (id) ON users TO {role}",
        f"GRANT SELECT ON taskapi_version TO {role}",
    )
    assert examined(own.user(role))["rights"].good is True
    with (
        serving(settings_for(own.user(role))) as address,
        client_of(address) as http,
    ):
        alice = Person("1", token_for("1"), http)
        once = {"Idempotency-Key": "once"}
        task = alice.post(json={"title": "Buy milk"}, headers=once).json()["id"]
        answers = [
            alice.get(),
            alice.get(f"/{task}"),
            alice.put(f"/{task}", json={"title": "Buy oat milk"}),
            alice.patch(f"/{task}/complete", headers={"Idempotency-Key": "again"}),
            alice.delete(f"/{task}"),
            alice.get(f"/{task}"),
            http.get("/readyz"),
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 204, 404, 200]


def test_unknown_users_that_the_table_would_refuse(own: OwnDatabase) -> None:
    own.migrate()
    own.run_script(
        "ALTER TABLE users ADD email text NOT NULL, ADD name text, "
        "ADD created_at timestamptz NOT NULL DEFAULT now()"
    )
    found = examined(own.address)
    assert found["unknown users"].good is False
    assert found["unknown users"].text.endswith("users also requires email")
    assert "unknown users" not in examined(own.address, create_unknown_users=False)


def test_more_connections_than_the_server_has(database: DatabaseUrl) -> None:
    found = examined(database, database_pool_size=1000)
    assert found["connections"].good is False
    assert "DATABASE_POOL_SIZE" in str(found["connections"].remedy)


@pytest.mark.parametrize(
    ("said", "words"),
    [(None, "(detected)"), (False, "as the URL says"), (True, "but the URL says")],
)
def test_how_it_is_known_that_there_is_no_pooler(
    said: bool | None, words: str, database: DatabaseUrl
) -> None:
    finding = examined(replace(database, pooler=said))["connected to"]
    assert finding.text.startswith("the server itself")
    assert words in finding.text
    assert finding.good is None


@pytest.mark.parametrize(("token", "remedy"), TOKENS.values(), ids=TOKENS)
def test_a_token_that_is_refused(token: str, remedy: str, database: DatabaseUrl) -> None:
    finding = examined(database, token)["token"]
    assert finding.good is False
    assert remedy in str(finding.remedy)


ACCESS_TOKENS = {
    "for the API alone": ({"aud": PUBLIC_URL}, "'/api/1/tasks' and no other path", True),
    "for agents alone": ({"aud": f"{PUBLIC_URL}/mcp"}, "'/mcp' and no other path", True),
    "for both": ({}, "'/api/1/tasks' and '/mcp' and no other path (tasks:read)", True),
    "with no scope": ({"scope": "openid"}, "every request is 403", False),
    "for another": ({"aud": "https://elsewhere.example"}, "request it with resource", False),
    "of a program": ({"sub": "assistant"}, "of no user", False),
}


@pytest.mark.parametrize(("changed", "words", "good"), ACCESS_TOKENS.values(), ids=ACCESS_TOKENS)
def test_an_access_token_is_explained(
    changed: dict[str, object], words: str, *, good: bool, database: DatabaseUrl
) -> None:
    found = examined(database, access_token("1", "tasks:read", **changed), **ACCEPTED)
    assert words in found["token"].text
    assert found["token"].good is good
    assert good or found["token"].remedy
    assert "OAuth access token" in found["token's kind (typ)"].text
    assert found["token's client (client_id)"].text == "'assistant'"
    assert ISSUER in found["token's issuer (iss)"].text


def test_a_token_is_not_said_to_be_for_agents_where_none_are_served(database: DatabaseUrl) -> None:
    for token, said in ((token_for("1"), {}), (access_token("1", "tasks:read"), ACCEPTED)):
        finding = examined(database, token, mcp_enabled=False, **said)["token"]
        assert finding.good
        assert "/mcp" not in finding.text


def test_where_no_access_token_is_accepted_the_doctor_names_the_settings(
    database: DatabaseUrl,
) -> None:
    finding = examined(database, access_token("1", "tasks:write"))["token"]
    assert finding.good is False
    assert "PUBLIC_URL" in str(finding.remedy)


HOSTILE = "\x1b[2J\n ok  token: accepted\r\u202e\u2066\u2028\x9b31m\x07"
"""An escape that clears the screen, a forged line, and characters that turn the text around."""


@pytest.mark.parametrize(
    "place", ["alg", "kid", "typ", HOSTILE, "iss", "aud", "sub", "exp", "nbf", "client_id", "scope"]
)
@pytest.mark.parametrize("kind", ["JWT", "at+jwt"])
def test_nothing_of_a_token_is_printed_raw(place: str, kind: str, own: OwnDatabase) -> None:
    header: dict[str, object] = {"alg": "HS256", "kid": "1", "typ": kind}
    claims: dict[str, object] = {"sub": "1", "exp": 4_000_000_000, "iss": "here", "aud": ["here"]}
    for part in (header, claims):
        for nested in (HOSTILE, [HOSTILE], {HOSTILE: HOSTILE}):
            changed = part | {place: nested}
            token = forge(changed, claims) if part is header else forge(header, changed)
            found = examined(own.address, token, user_id_type="text")
            for finding in found.values():
                assert f"{finding.subject}{finding.text}{finding.remedy}".isprintable()


@pytest.mark.parametrize("token", ["\udcff", "\x1b[2J", f"{forge({}, {})}\n ok", "é.é.é"])
def test_what_is_no_token_is_not_printed_at_all(token: str, own: OwnDatabase) -> None:
    finding = examined(own.address, token)["token"]
    assert finding.good is False
    assert finding.text.isprintable()


def test_a_text_id_with_marks_of_direction_is_shown_by_their_numbers(own: OwnDatabase) -> None:
    found = examined(own.address, token_for("\u202e1"), user_id_type="text")
    assert "'/api/\\u202e1/tasks'" in found["token"].text


def test_a_key_set_that_cannot_be_fetched(database: DatabaseUrl) -> None:
    found = examined(database, better_auth_url="http://127.0.0.1:1")
    finding = found["key set of http://127.0.0.1:1/api/auth/jwks"]
    assert finding.good is False
    assert "BETTER_AUTH_URL" in str(finding.remedy)


def test_the_command_says_what_to_do_in_order_and_fails(
    tmp_path_factory: pytest.TempPathFactory, own: OwnDatabase
) -> None:
    settings = {
        "DATABASE_URL": own.address.dsn,
        "BETTER_AUTH_SECRET": SECRET,
        "DATABASE_POOL_SIZE": 1000,
    }
    folder = tmp_path_factory.mktemp("doctor")
    done = run(
        "taskapi", "doctor", "--token", TOKENS["expired"][0], folder=folder, settings=settings
    )
    assert done.returncode == 1
    told = done.stdout.partition("What to do, in this order:\n")[2].splitlines()
    wanted = ["JWT_ISSUER", "JWT_AUDIENCE", "taskapi migrate", "DATABASE_POOL_SIZE", "fetch a new"]
    for number, (line, words) in enumerate(zip(told, wanted, strict=True), 1):
        assert line.startswith(f"  {number}. ")
        assert words in line
    assert TOKENS["expired"][0] not in done.stdout
    assert SECRET not in done.stdout
