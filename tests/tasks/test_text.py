"""Properties of what goes in and comes out: stored as sent, or 422, and never 500.

FR-012, SC-006, SC-009; "nothing that a client sends may cause a 500".
"""

import json
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support.calls import CALLS, WHITE_SPACE, WITH_BODY, assert_refused, call
from support.people import Person

# One Alice for all examples of a test is what is meant: they need no clean start.
properties = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

JSON = {"Content-Type": "application/json"}

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
"""What PostgreSQL can store."""

unstorable = st.characters(categories=["Cs"]) | st.just("\0")

titles = st.text(characters, max_size=500).filter(lambda text: text.strip(WHITE_SPACE) != "")
descriptions = st.text(characters, max_size=5000)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(characters | unstorable),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def encoded(value: object, *, as_ascii: bool) -> bytes:
    """JSON with or without escapes; lone surrogates only exist as escapes."""
    return json.dumps(value, ensure_ascii=as_ascii).encode()


@settings(properties, max_examples=100)
@given(title=titles, description=descriptions, as_ascii=st.booleans())
@example(title="'; DROP TABLE tasks; --", description='{}[]"\\/\b\f\n\r\t', as_ascii=False)
def test_any_storable_text_comes_back_as_sent_with_its_title_trimmed(
    alice: Person, title: str, description: str, as_ascii: bool
) -> None:
    body = encoded({"title": title, "description": description}, as_ascii=as_ascii)
    created = alice.post(content=body, headers=JSON)
    assert created.status_code == 201, created.text
    task = created.json()
    assert (task["title"], task["description"]) == (title.strip(WHITE_SPACE), description)
    assert alice.get(f"/{task['id']}").content == created.content
    assert alice.get("?limit=1").json()["tasks"] == [task]
    updated = alice.put(f"/{task['id']}", content=body, headers=JSON).json()
    assert updated == task | {"updated_at": updated["updated_at"]}


@properties
@given(
    before=st.text(characters, max_size=20),
    bad=unstorable,
    after=st.text(characters, max_size=20),
    member=st.sampled_from(["title", "description"]),
)
def test_any_text_with_nul_or_a_lone_surrogate_is_422(
    alice: Person, before: str, bad: str, after: str, member: str
) -> None:
    body = {"title": "x", "description": "x", member: f"x{before}{bad}{after}x"}
    assert_unstorable(alice, body)


@properties
@given(title=st.text(st.sampled_from(WHITE_SPACE), max_size=600))
def test_any_title_of_white_space_is_422(alice: Person, title: str) -> None:
    assert_unstorable(alice, {"title": title})


@properties
@given(member=st.sampled_from(["title", "description"]), text=st.data())
def test_any_text_over_its_bound_is_422(alice: Person, member: str, text: st.DataObject) -> None:
    bound = {"title": 500, "description": 5000}[member]
    tail = text.draw(st.text(characters, min_size=1, max_size=100))
    assert_unstorable(alice, {"title": "x", member: "x" * bound + tail + "x"})


def assert_unstorable(alice: Person, body: dict[str, str]) -> None:
    content = encoded(body, as_ascii=True)
    assert_refused(alice.post(content=content, headers=JSON), 422, "validation_failed")
    update = alice.put("/1", content=content, headers=JSON)
    assert_refused(update, 422, "validation_failed")


# Nothing causes a 500. Each operation may answer with its success, or with one of these:

REFUSALS = {304, 404, 405, 412, 413, 415, 422}

operations = st.sampled_from(list(CALLS))
operations_with_body = st.sampled_from(WITH_BODY)


def assert_answered(alice: Person, operation: str, **options: Any) -> None:
    """Hold that an operation on a task of Alice's answers, and not with a failure of its own."""
    task_id = options.pop("task_id", None) or alice.create()["id"]
    response = call(
        alice.http, operation, user_id=alice.id, task_id=task_id, token=alice.token, **options
    )
    assert response.status_code in {CALLS[operation].success, *REFUSALS}, response.text


@properties
@given(operation=operations_with_body, value=json_values)
def test_no_json_causes_a_500(alice: Person, operation: str, value: object) -> None:
    assert_answered(alice, operation, content=encoded(value, as_ascii=True), headers=JSON)


@properties
@given(
    operation=operations_with_body,
    body=st.dictionaries(
        st.sampled_from(["title", "description", "is_completed", "id", "operations"]), json_values
    ),
)
def test_no_value_of_a_known_member_causes_a_500(
    alice: Person, operation: str, body: dict[str, object]
) -> None:
    assert_answered(alice, operation, content=encoded(body, as_ascii=True), headers=JSON)


@properties
@given(operation=operations_with_body, body=st.binary(max_size=2000))
def test_no_bytes_cause_a_500(alice: Person, operation: str, body: bytes) -> None:
    assert_answered(alice, operation, content=body, headers=JSON)


@properties
@given(operation=operations, query=st.text(st.characters(codec="ascii"), max_size=50))
def test_no_query_causes_a_500(alice: Person, operation: str, query: str) -> None:
    assert_answered(alice, operation, query="?" + quote(query, safe="%&=+;,:/?@!$()*[]"))


@properties
@given(operation=operations, task_id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_id_causes_a_500(alice: Person, operation: str, task_id: str) -> None:
    assert_answered(alice, operation, task_id=quote(task_id, safe=""))


header_values = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=50)


header_names = st.sampled_from(
    [
        "Accept",
        "Content-Encoding",
        "Content-Type",
        "Cookie",
        "Idempotency-Key",
        "If-Match",
        "If-None-Match",
        "Origin",
        "X-Request-ID",
    ]
)


@settings(properties, max_examples=150)
@given(operation=operations, name=header_names, value=header_values)
def test_no_header_causes_a_500(alice: Person, operation: str, name: str, value: str) -> None:
    raw = {name.encode(): value.strip().encode("latin-1")}
    assert_answered(alice, operation, headers=raw)
