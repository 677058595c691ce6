"""What clients may send by mistake or on purpose: 422, 413 or 415, never 500 (FR-012, SC-009).

The right input of each operation is in tests/tasks/test_user_stories.py; changes of state are in
test_changes.py there. Pages and cursors are in tests/resource/test_page_parameters.py.
"""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.calls import CALLS, WHITE_SPACE, WITH_BODY, WITH_ID_IN_PATH, assert_refused, call
from support.people import Person
from support.wire import answer_to, head_of

JSON = {"Content-Type": "application/json"}
BODY_BOUND = 128 * 1024


@pytest.fixture
def task(alice: Person) -> Iterator[dict[str, Any]]:
    """A task of Alice's, which no refused request may have changed, nor added another one."""
    task = alice.create("Buy milk", "Two litres")
    yield task
    assert alice.get().json()["tasks"] == [task]


def sent(alice: Person, operation: str, task: dict[str, Any], **options: Any) -> httpx.Response:
    return call(
        alice.http, operation, user_id=alice.id, task_id=task["id"], token=alice.token, **options
    )


# Ids


@pytest.mark.parametrize(
    "task_id",
    [
        "0",
        "-1",
        str(2**63),
        str(10**30),
        "1" * 5000,
        "1.0",
        "+1",
        "%2B1",
        "%201",
        "1%20",
        "01",
        "1e3",
        "0x1",
        "1_000",
        "\u0661",
        "\uff11",
        "\u00b2",
        "%00",
        "1%00",
        "1%0A",
        "%FF",
        "null",
        "first",
        "🎂",
    ],
    ids=ascii,
)
def test_an_id_that_is_no_positive_int64_in_plain_digits_is_422(
    alice: Person, task_id: str
) -> None:
    for operation in WITH_ID_IN_PATH:
        response = call(alice.http, operation, user_id=alice.id, task_id=task_id, token=alice.token)
        assert_refused(response, 422, "validation_failed")
        assert response.json()["detail"][0]["loc"] == ["path", "task_id"]


# Bodies that are not JSON, or not a JSON object


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"true",
        b"1",
        b'"title"',
        b"[]",
        b'[{"title": "x"}]',
        b"{",
        b'{"title": "x"',
        b'{"title": "x",}',
        b"{'title': 'x'}",
        b'{"title": "x"} {}',
        b'{"title": "x"}\0',
        b'{"title": "x\ny"}',
        b'// comment\n{"title": "x"}',
        b" ",
        b'{"title": NaN}',
        b'{"title": "x", "is_completed": true, "other": NaN}',
        b'{"title": "x", "is_completed": true, "other": Infinity}',
        b'{"title": "x", "is_completed": true, "other": -Infinity}',
        b'{"title": "\xff", "is_completed": true}',
        b'{"title": "\xc0\xaf", "is_completed": true}',
        b'{"title": "\xed\xa0\x80", "is_completed": true}',
        b'{"title": "\xf4\x90\x80\x80", "is_completed": true}',
        b'{"title": "x", "is_completed": true}\xef\xbb\xbf',
        b'\xef\xbb\xbf\xef\xbb\xbf{"title": "x", "is_completed": true}',
        b"\xef\xbb\xbf",
        '{"title": "x", "is_completed": true}'.encode("utf-16"),
        '{"title": "x", "is_completed": true}'.encode("utf-16-le"),
        '{"title": "x", "is_completed": true}'.encode("utf-32"),
        b"[" * 100_000,
        b'{"title":' * 10_000,
        b'{"title": "x", "is_completed": true, "other": ' + b"[" * 60_000 + b"]" * 60_000 + b"}",
        b'{"title": "x", "is_completed": true, "other": "\\ud800"}',
        b'{"title": "x", "is_completed": true, "\\udc00": 1}',
    ],
    ids=lambda body: ascii(body[:40]),
)
def test_a_body_that_is_no_json_object_is_422(
    alice: Person, task: dict[str, Any], body: bytes
) -> None:
    for operation in WITH_BODY:
        response = sent(alice, operation, task, content=body, headers=JSON)
        assert_refused(response, 422, "validation_failed")
        assert len(response.content) < 1000  # the input is not echoed


@pytest.mark.parametrize(
    "body",
    [
        '{"title": "x", "title": "x", "is_completed": true}',
        '{"title": "x", "is_completed": true, "\\u0074itle": "y"}',
        '{"title": "x", "is_completed": true, "other": 1, "other": 1}',
        '{"title": "x", "is_completed": true, "other": [[{"a": {"b": 1, "b": 2}}]]}',
        '{"title": "x", "is_completed": true, "": 1, "": 2}',
    ],
)
def test_a_member_that_is_given_twice_is_422_at_any_depth(
    alice: Person, task: dict[str, Any], body: str
) -> None:
    for operation in WITH_BODY:
        response = sent(alice, operation, task, content=body, headers=JSON)
        assert_refused(response, 422, "validation_failed")
        assert "two members of one name" in response.json()["detail"][0]["msg"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"title": "\\ud83c"}', "half of a surrogate pair"),
        (b'{"title": NaN}', "NaN is not a JSON number: line 1 column 11"),
        (b'{"a": "NaN \\" NaN",\n "\xc3\xa9": NaN}', "NaN is not a JSON number: line 2 column 8"),
        (b'{"a": [1, Infinity, NaN]}', "Infinity is not a JSON number: line 1 column 11"),
        (b'{"a": [1, -Infinity, NaN]}', "-Infinity is not a JSON number: line 1 column 1"),
        (b'{"a": ' + b"[" * 300 + b"NaN" + b"]" * 300 + b"}", "NaN is not a JSON number"),
        (b'{"title": ' + b"7" * 5000 + b"}", "too many digits"),
        (b'{"title": "x", "a": {"b\\n": 1, "b\\n": 2}}', 'two members of one name, "b\\n"'),
        (b'{"title": "\xff"}', "invalid start byte of UTF-8 at byte 11"),
        (b'{"title": ' + b"[" * 50_000, "nested too deeply"),
        (b'{"title": }', "Expecting value: line 1 column 11"),
        (b'{"title": "x",}', "line 1 column 1"),
        (b"{'title': 'x'}", "property name enclosed in double quotes: line 1 column 2"),
        (b'{"title": "x", // why\n}', "line 1 column 16"),
        (b'{"title": True}', "line 1 column 11"),
        (b'{"title": "x"} {}', "Extra data: line 1 column 16"),
        (b'"{\\"title\\": \\"x\\"}"', "and is a string: is it encoded twice?"),
        (b'[{"title": "x"}]', "and is an array"),
        (b"null", "and is null"),
        (b"false", "and is true or false"),
        (b"1.0", "and is a number"),
        (b'{"title": "x", "is_completed": 1.0}', "should be a valid boolean"),
        (b'{"title": "x", "is_completed": "true"}', "should be a valid boolean"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_body_is_refused_with_the_true_reason(alice: Person, body: bytes, said: str) -> None:
    response = alice.post(content=body, headers=JSON)
    assert_refused(response, 422, "validation_failed")
    assert said in response.json()["detail"][0]["msg"]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        (r'{"title": "x\ud83c"}', ["title"]),
        (r'{"title": "x", "ignored": ["x", {"y": "\udf82\ud83c"}]}', ["ignored", 1, "y"]),
        (r'{"title": "x", "ignored": {"\ud800": 1}}', ["ignored"]),
        (r'{"\udc00": 1}', []),
        (r'{"a": {"b": {"c": {"d": {"e": "\ud800"}}}}}', ["a", "b", "c", "d"]),
        (r'{"%s": "\ud800"}' % ("n" * 2000), ["n" * 64]),
        (r'{"operations": [{"op": "create", "key": "\ud800"}]}', ["operations", 0, "key"]),
        ('{"a": ' + "[" * 499 + '"\\udfff"' + "]" * 499 + "}", ["a", 0, 0, 0]),
    ],
)
def test_half_of_a_surrogate_pair_is_refused_with_its_place(
    alice: Person, body: str, loc: list[str | int]
) -> None:
    for path in ("", "/batch"):
        response = alice.post(path, content=body, headers=JSON)
        assert_refused(response, 422, "validation_failed")
        [mistake] = response.json()["detail"]
        assert mistake["loc"] == ["body", *loc]
        assert "half of a surrogate pair" in mistake["msg"]


@pytest.mark.parametrize("operation", WITH_BODY)
def test_a_byte_order_mark_is_ignored(alice: Person, operation: str) -> None:
    """RFC 8259, 8.1."""
    body = b'\xef\xbb\xbf{"title": "x", "is_completed": true}'
    if "batch" in operation:
        body = b'\xef\xbb\xbf{"operations": [{"op": "create", "title": "x"}]}'
    response = sent(alice, operation, alice.create(), content=body, headers=JSON)
    assert response.is_success, response.text


@pytest.mark.parametrize(
    "operation", ["POST /api/{user_id}/tasks", "PUT /api/{user_id}/tasks/{task_id}"]
)
@pytest.mark.parametrize("headers", [{}, JSON], ids=["bare", "typed"])
def test_an_empty_body_is_422_where_one_is_needed(
    alice: Person, task: dict[str, Any], operation: str, headers: dict[str, str]
) -> None:
    for empty in (b"", iter([b""])):
        response = sent(alice, operation, task, content=empty, headers=headers)
        assert_refused(response, 422, "validation_failed")


@pytest.mark.parametrize("value", [1, 1.5, True, [], ["x"], {}, {"x": "y"}], ids=repr)
@pytest.mark.parametrize("member", ["title", "description"])
def test_text_that_is_no_string_is_422(
    alice: Person, task: dict[str, Any], member: str, value: object
) -> None:
    for operation in ("POST /api/{user_id}/tasks", "PUT /api/{user_id}/tasks/{task_id}"):
        response = sent(alice, operation, task, json={"title": "x", member: value})
        assert_refused(response, 422, "validation_failed")
        assert response.json()["detail"][0]["loc"] == ["body", member]


@pytest.mark.parametrize("member", ["title", "is_completed"])
def test_null_is_no_title_and_no_state_of_a_new_task(
    alice: Person, task: dict[str, Any], member: str
) -> None:
    new = {"title": "x", member: None}
    for response in (
        alice.post(json=new),
        alice.post("/batch", json={"operations": [{"op": "create", **new}]}),
    ):
        assert_refused(response, 422, "validation_failed")
        assert response.json()["detail"][0]["loc"][-1] == member


def test_a_description_that_is_null_is_empty(alice: Person) -> None:
    """Clients of typed languages send null for what nobody has entered."""
    new = {"title": "x", "description": None, "is_completed": True}
    single = alice.post(json=new).json()
    [result] = alice.post("/batch", json={"operations": [{"op": "create", **new}]}).json()[
        "results"
    ]
    for task in (single, result["task"]):
        assert (task["description"], task["is_completed"]) == ("", True)


@pytest.mark.parametrize("escape", [r"\u0000", r"\ud800", r"\udc00", r"\udc00\ud800", r"\ud83dx"])
@pytest.mark.parametrize("member", ["title", "description"])
def test_what_postgresql_cannot_store_is_422(
    alice: Person, task: dict[str, Any], member: str, escape: str
) -> None:
    other = "description" if member == "title" else "title"
    body = f'{{"{member}": "a{escape}b", "{other}": "x"}}'
    for operation in ("POST /api/{user_id}/tasks", "PUT /api/{user_id}/tasks/{task_id}"):
        response = sent(alice, operation, task, content=body, headers=JSON)
        assert_refused(response, 422, "validation_failed")


@pytest.mark.parametrize("number", ["1" * 5000, "-" + "9" * 5000, "1e5000", "0." + "1" * 5000])
def test_an_enormous_number_is_no_title_and_no_500(
    alice: Person, task: dict[str, Any], number: str
) -> None:
    for operation in WITH_BODY:
        body = f'{{"title": {number}, "is_completed": {number}}}'
        response = sent(alice, operation, task, content=body, headers=JSON)
        assert_refused(response, 422, "validation_failed")


def test_an_enormous_number_in_an_ignored_member_is_no_500(alice: Person) -> None:
    for number in ("1" * 5000, "1e5000"):
        body = f'{{"title": "x", "id": {number}}}'
        assert alice.post(content=body, headers=JSON).status_code in {201, 422}


# Bodies that are too large


def test_a_body_at_the_bound_is_taken_and_one_byte_more_is_413(
    alice: Person, task: dict[str, Any]
) -> None:
    path = f"/{task['id']}/complete"
    body = b'{"is_completed": false}'
    within = alice.patch(path, content=body.ljust(BODY_BOUND), headers=JSON)
    beyond = alice.patch(path, content=body.ljust(BODY_BOUND + 1), headers=JSON)
    assert within.status_code == 200
    assert_refused(beyond, 413, "body_too_large")
    assert str(BODY_BOUND) in beyond.json()["detail"]


def chunks(size: int) -> Iterator[bytes]:
    """So many bytes without their length said in advance."""
    for _ in range(size // 65536):
        yield b" " * 65536


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_20_megabytes_are_413_and_are_not_sent_back(
    alice: Person, task: dict[str, Any], chunked: bool
) -> None:
    size = 20 * 1024 * 1024
    for operation in WITH_BODY:
        response = sent(
            alice, operation, task, content=chunks(size) if chunked else b" " * size, headers=JSON
        )
        assert_refused(response, 413, "body_too_large")
        assert len(response.content) < 1000
        assert response.headers["Connection"] == "close"


def test_a_bound_passed_in_the_last_chunk_is_413(alice: Person, task: dict[str, Any]) -> None:
    body = [b'{"title": "x"}', b" " * (BODY_BOUND - 14), b" "]
    assert_refused(alice.post(content=iter(body), headers=JSON), 413, "body_too_large")


@pytest.mark.parametrize("length", ["5000000000", "9" * 30, "9" * 5000, "-1", "1.5", "²", "0x10"])
def test_a_length_with_nothing_behind_it_is_refused_at_once(alice: Person, length: str) -> None:
    head = head_of(
        "POST",
        alice.tasks,
        f"Authorization: Bearer {alice.token}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    )
    status = answer_to(alice.http, head).split()[1]
    assert status in {b"400", b"413"}


# Types and encodings


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json; profile=x",
    ],
)
def test_json_by_any_of_its_names_is_read(alice: Person, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert alice.post(content=b'{"title": "x"}', headers=headers).status_code == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/json-seq",
        "application/json-patch+json",
        "application/vnd.api+json",
        "application/ld+json",
        "application/merge-patch",
        "application/merge-patch+json, application/json",
        "json",
        "*/*",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/json; charset=nonsense",
        "application/json, text/plain",
        "application/json charset=utf-8",
        "application/json; charset=\xff",
        "/",
        ";",
    ],
)
def test_what_does_not_call_itself_json_in_utf_8_is_415(
    alice: Person, task: dict[str, Any], content_type: str
) -> None:
    body = b'{"title": "x", "is_completed": true}'
    for operation in WITH_BODY:
        response = sent(
            alice,
            operation,
            task,
            content=body,
            headers={"Content-Type": content_type.encode("latin-1")},
        )
        assert_refused(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json-patch+json"},
    ],
    ids=["none", "as curl -d", "JSON patch"],
)
def test_a_body_of_another_type_or_none_is_415_and_told_what_to_send(
    alice: Person, task: dict[str, Any], headers: dict[str, str]
) -> None:
    """RFC 5789, 2.2: and where the method is PATCH, which patches are taken."""
    body = b'{"title": "x", "is_completed": true}'
    for operation in WITH_BODY:
        response = sent(alice, operation, task, content=body, headers=headers)
        assert_refused(response, 415, "unsupported_media_type")
        assert "with the header Content-Type: application/json." in response.json()["detail"]
        taken = "application/merge-patch+json, application/json"
        is_patch = operation.startswith("PATCH")
        assert response.headers.get("Accept-Patch") == (taken if is_patch else None)


def test_a_merge_patch_is_one_for_patch_alone(alice: Person) -> None:
    body = b'{"title": "x", "is_completed": true}'
    headers = {"Content-Type": "application/merge-patch+json"}
    for operation in WITH_BODY:
        response = sent(alice, operation, alice.create(), content=body, headers=headers)
        assert response.status_code == (200 if operation.startswith("PATCH") else 415)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "zstd", "identity, gzip", "nonsense"])
def test_an_encoded_body_is_415(alice: Person, task: dict[str, Any], encoding: str) -> None:
    body = b'{"title": "x", "is_completed": true}'
    headers = JSON | {"Content-Encoding": encoding}
    for operation in WITH_BODY:
        response = sent(alice, operation, task, content=body, headers=headers)
        assert_refused(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("encoding", ["identity", "Identity", "identity, identity", ""])
def test_the_identity_encoding_is_none(alice: Person, encoding: str) -> None:
    headers = JSON | {"Content-Encoding": encoding}
    assert alice.post(content=b'{"title": "x"}', headers=headers).status_code == 201


def test_a_body_where_none_is_expected_is_not_looked_at(alice: Person) -> None:
    task = alice.create()
    for operation in (
        "GET /api/{user_id}/tasks/{task_id}",
        "DELETE /api/{user_id}/tasks/{task_id}",
    ):
        response = sent(alice, operation, task, content=b"\xff", headers={"Content-Type": "x"})
        assert response.status_code == CALLS[operation].success


# Queries


@pytest.mark.parametrize(
    "query", ["colour=blue", "x", "%00=1", "%FF=1", "=1", "Limit=1", "limit[]=1"]
)
def test_an_unknown_query_parameter_is_422(alice: Person, task: dict[str, Any], query: str) -> None:
    for operation in CALLS:
        response = sent(alice, operation, task, query=f"?{query}")
        assert_refused(response, 422, "validation_failed")
        assert response.json()["detail"][0]["loc"][0] == "query"


@pytest.mark.parametrize("query", ["=".join(("x" * 5000, "1")), "%FF" * 2000, "gr%C3%B6%C3%9Fe=1"])
def test_the_name_of_an_unknown_parameter_is_shown_as_it_begins(alice: Person, query: str) -> None:
    response = alice.get(f"?{query}")
    assert_refused(response, 422, "validation_failed")
    shown = response.json()["detail"][0]["loc"][1]
    assert shown in {"x" * 64, "\ufffd" * 64, "größe"}


@pytest.mark.parametrize(
    "query",
    ["limit=1&limit=1", "offset=0&limit=1&offset=0", "limit=1&limit=", "q&q", "q=&%71=milk"],
)
def test_a_repeated_query_parameter_is_422(alice: Person, query: str) -> None:
    assert_refused(alice.get(f"?{query}"), 422, "validation_failed")


# Bounds of text


@pytest.mark.parametrize("space", WHITE_SPACE, ids=ascii)
def test_every_white_space_is_trimmed_off_a_title_and_kept_inside(
    alice: Person, space: str
) -> None:
    title = f"{space} {space}Buy{space}milk{space}{space}"
    created = alice.post(json={"title": title, "description": title}).json()
    updated = alice.put(f"/{created['id']}", json={"title": title, "description": title}).json()
    for task in (created, updated):
        assert (task["title"], task["description"]) == (f"Buy{space}milk", title)
    assert_refused(alice.post(json={"title": space}), 422, "validation_failed")


@pytest.mark.parametrize("mark", ["\u200b", "\ufeff", "\u180e", "\u2060"], ids=ascii)
def test_invisible_characters_that_are_no_white_space_are_kept(alice: Person, mark: str) -> None:
    assert alice.create(f"{mark}x{mark}")["title"] == f"{mark}x{mark}"


@pytest.mark.parametrize("character", ["x", "é", "\u0301", "🎂", "\U0010ffff", "\u200d"], ids=ascii)
@pytest.mark.parametrize(("member", "bound"), [("title", 500), ("description", 5000)])
def test_bounds_are_counted_in_code_points(
    alice: Person, member: str, bound: int, character: str
) -> None:
    body = json.dumps({"title": "x", member: character * bound})  # \ud83c\udf82: 12 bytes for one
    within = alice.post(content=body, headers=JSON)
    beyond = alice.post(json={"title": "x", member: character * (bound + 1)})
    assert within.status_code == 201
    assert within.json()[member] == character * bound
    assert_refused(beyond, 422, "validation_failed")
    task_id = within.json()["id"]
    beyond = alice.put(f"/{task_id}", json={member: character * (bound + 1)})
    assert_refused(beyond, 422, "validation_failed")


def test_a_title_is_measured_after_it_is_trimmed(alice: Person) -> None:
    assert alice.create(" " * 600 + "x" * 500 + "\n" * 600)["title"] == "x" * 500


def test_an_empty_description_is_one(alice: Person) -> None:
    task = alice.create("x", "y")
    assert alice.put(f"/{task['id']}", json={"description": ""}).json()["description"] == ""


@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["array", "object"]
)
@pytest.mark.parametrize("text", ["x", r"\ud83d\ude00"], ids=["plain", "pair"])
def test_no_depth_of_nesting_is_an_error_of_ours(
    alice: Person, opening: str, closing: str, text: str
) -> None:
    """Each part of the service that goes through a value has another depth of stack left."""
    statuses = []
    for depth in (499, 500, *range(900, 1000, 2)):
        value = opening * depth + "1" + closing * depth
        body = f'{{"title": "{text}", "ignored": {value}}}'
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"deep-{depth}"}
        statuses.append(alice.post(content=body, headers=headers).status_code)
    assert statuses == [201] + [422] * (len(statuses) - 1)


def test_brackets_in_text_and_beside_each_other_are_no_nesting(alice: Person) -> None:
    body = {"title": '["{\\' * 100, "ignored": [[]] * 1000}
    assert alice.post(json=body).status_code == 201
