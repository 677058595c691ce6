"""Nobody sees or changes what is somebody else's (FR-007 to FR-011, FR-020, SC-003).

Every route of the OpenAPI document is walked as nobody, as another user and with another user's
ids. A route that `calls.CALLS` does not know fails here, so none is added without being walked.
"""

from collections.abc import Iterator, Sequence

import httpx
import pytest
from starlette.routing import BaseRoute

from support.calls import ABOUT_ONE_TASK, CALLS, NO_TASK, assert_refused, call
from support.forgery import position_of, with_position
from support.oauth import access_token
from support.people import Person, sign, token_for
from support.service import settings_for
from taskapi.app import API_ROUTES, create_app
from taskapi.database.url import DatabaseUrl
from taskapi.edge.route import Route
from taskapi.scopes import READ, WRITE

METHODS = {"get", "put", "post", "delete", "patch", "options", "head", "trace", "query"}


@pytest.fixture
def task(alice: Person) -> Iterator[dict[str, object]]:
    """A task of Alice's, of which not a byte may have changed when the test is over."""
    task = alice.create("Alice's", "and nobody else's")
    before = alice.get().content
    yield task
    assert alice.get().content == before


def test_every_operation_of_the_document_is_walked(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    documented = {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in item.keys() & METHODS
        if path.startswith("/api")
    }
    assert documented == CALLS.keys()


def test_no_route_is_left_out_of_the_document(database: DatabaseUrl) -> None:
    assert _operations(create_app(settings_for(database)).routes).keys() == CALLS.keys()


def _operations(routes: Sequence[BaseRoute]) -> dict[str, Route]:
    """The operations under /api/ of all routes; one of an unknown kind might hide some."""
    found: dict[str, Route] = {}
    for route in routes:
        assert isinstance(route, Route)
        if route.path.startswith("/api"):
            found |= {f"{method} {route.path}": route for method in route.methods or ()}
    return found


REQUIRED = {operation: route.requires for operation, route in _operations(API_ROUTES).items()}
"""The scope without which a program does not reach an operation, by its route's declaration."""


@pytest.mark.parametrize("operation", CALLS)
def test_a_program_reads_with_one_scope_and_writes_with_the_other(operation: str) -> None:
    assert REQUIRED[operation] == (READ if operation.startswith("GET ") else WRITE)


@pytest.mark.parametrize("operation", CALLS)
def test_a_program_without_the_scope_of_an_operation_is_403(
    oauth: httpx.Client, alice: Person, task: dict[str, object], operation: str
) -> None:
    for scope in ("", "openid profile", *({READ} - {REQUIRED[operation]})):
        token = access_token(alice.id, scope)
        response = call(oauth, operation, user_id=alice.id, task_id=task["id"], token=token)
        assert_refused(response, 403, "insufficient_scope")
        assert f'{REQUIRED[operation]}"' in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("operation", CALLS)
def test_a_program_with_the_scope_of_an_operation_reaches_it(
    oauth: httpx.Client, alice: Person, operation: str
) -> None:
    for scope in {WRITE, REQUIRED[operation]}:
        token, task_id = access_token(alice.id, str(scope)), alice.create()["id"]
        response = call(oauth, operation, user_id=alice.id, task_id=task_id, token=token)
        assert response.status_code == CALLS[operation].success


@pytest.mark.parametrize("operation", CALLS)
def test_a_program_of_another_user_is_403(
    oauth: httpx.Client, alice: Person, bob: Person, task: dict[str, object], operation: str
) -> None:
    token = access_token(bob.id, WRITE)
    response = call(oauth, operation, user_id=alice.id, task_id=task["id"], token=token)
    assert_refused(response, 403, "forbidden")


@pytest.mark.parametrize("operation", CALLS)
def test_nobody_is_401(alice: Person, task: dict[str, object], operation: str) -> None:
    response = call(alice.http, operation, user_id=alice.id, task_id=task["id"], token=None)
    assert_refused(response, 401, "not_authenticated")


@pytest.mark.parametrize("operation", CALLS)
def test_a_signature_of_somebody_else_is_401(
    alice: Person, task: dict[str, object], operation: str
) -> None:
    forged = sign({"sub": alice.id, "exp": 2**40}, "another secret, just as long as the real one")
    response = call(alice.http, operation, user_id=alice.id, task_id=task["id"], token=forged)
    assert_refused(response, 401, "invalid_token")


@pytest.mark.parametrize("operation", CALLS)
def test_another_user_is_403_whether_the_task_exists_or_not(
    alice: Person, bob: Person, task: dict[str, object], operation: str
) -> None:
    for task_id in (task["id"], NO_TASK, "nonsense"):
        response = call(alice.http, operation, user_id=alice.id, task_id=task_id, token=bob.token)
        assert_refused(response, 403, "forbidden")


@pytest.mark.parametrize("operation", CALLS)
def test_a_path_of_no_user_is_403(bob: Person, operation: str) -> None:
    for nobody in (NO_TASK, 0, "nobody"):
        response = call(bob.http, operation, user_id=nobody, token=bob.token)
        assert_refused(response, 403, "forbidden")


@pytest.mark.parametrize("operation", ABOUT_ONE_TASK)
def test_another_users_task_is_404_under_ones_own_path(
    bob: Person, task: dict[str, object], operation: str
) -> None:
    response = call(bob.http, operation, user_id=bob.id, task_id=task["id"], token=bob.token)
    assert_refused(response, 404, "task_not_found")


@pytest.mark.parametrize("operation", ABOUT_ONE_TASK)
def test_another_users_task_cannot_be_told_from_one_that_does_not_exist(
    bob: Person, task: dict[str, object], operation: str
) -> None:
    headers = {"X-Request-ID": "the-same"}
    foreign, missing = (
        call(bob.http, operation, user_id=bob.id, task_id=task_id, token=bob.token, headers=headers)
        for task_id in (task["id"], NO_TASK)
    )
    del foreign.headers["Date"], missing.headers["Date"]
    assert foreign.status_code == missing.status_code
    assert foreign.headers == missing.headers
    assert foreign.content == missing.content


def test_a_list_shows_ones_own_tasks_alone(bob: Person, task: dict[str, object]) -> None:
    own = bob.create("Bob's")
    page = bob.get().json()
    assert (page["tasks"], page["total"]) == ([own], 1)


def test_a_cursor_of_another_users_list_is_422(alice: Person, bob: Person) -> None:
    alice.create()
    alice.create()
    cursor = alice.get("?limit=1").json()["next_cursor"]
    assert alice.get(f"?cursor={cursor}").status_code == 200
    assert_refused(bob.get(f"?cursor={cursor}"), 422, "validation_failed")


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "updated_at", "title", "-title"])
def test_a_forged_cursor_shows_ones_own_tasks_alone(alice: Person, bob: Person, sort: str) -> None:
    """Bob knows Alice's position, and puts it into a cursor of his own list."""
    for person in (alice, bob, alice, bob):
        person.create(f"Task of {person.id}")
    cursors = [person.get(f"?limit=1&sort={sort}").json()["next_cursor"] for person in (alice, bob)]
    forged = with_position(cursors[1], position_of(cursors[0]))
    response = bob.get(f"?sort={sort}&cursor={forged}")
    assert response.status_code == 200
    own = bob.get(f"?sort={sort}").json()
    assert all(task in own["tasks"] for task in response.json()["tasks"])
    assert response.json()["total"] == own["total"] == 2


def test_a_task_cannot_be_given_away(alice: Person, bob: Person) -> None:
    gift = alice.post(json={"title": "Gift", "user_id": int(bob.id)}).json()
    assert gift["user_id"] == int(alice.id)
    given = alice.put(f"/{gift['id']}", json={"title": "Gift", "user_id": int(bob.id)}).json()
    assert given["user_id"] == int(alice.id)
    assert bob.get().json()["total"] == 0


@pytest.mark.parametrize(
    "spelling",
    ["0{}", "+{}", " {}", "{} ", "{}.0", "{};", "{}%00", "{}%0A", "-{}", "{}e0", "%2B{}"],
)
def test_the_user_of_the_path_is_the_tokens_character_for_character(
    alice: Person, spelling: str
) -> None:
    response = alice.get(f"/api/{spelling.format(alice.id)}/tasks")
    assert_refused(response, 403, "forbidden")


def test_the_same_number_in_other_digits_is_403(alice: Person) -> None:
    arabic = alice.id.translate({ord("0") + n: 0x660 + n for n in range(10)})
    assert_refused(alice.get(f"/api/{arabic}/tasks"), 403, "forbidden")


def test_who_asks_is_the_subject_and_no_other_claim(alice: Person, bob: Person) -> None:
    claims = {"id": alice.id, "email": "alice@example.com", "name": alice.id}
    bob.token = token_for(bob.id, **claims)
    assert_refused(bob.get(alice.tasks), 403, "forbidden")
    assert bob.get().status_code == 200
