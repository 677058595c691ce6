"""`Prefer: handling=strict` (RFC 7240): a misspelt member is refused where it would be ignored."""

import pytest

from support.calls import assert_refused
from support.people import Person

STRICT = pytest.mark.parametrize(
    "prefer",
    [
        "handling=strict",
        'Handling = "strict"',
        "HANDLING=STRICT",
        "wait=5, handling=strict;x=1, handling=lenient",
        'x="\\", handling=lenient, ", handling=strict',
    ],
)


@STRICT
def test_a_member_with_an_unknown_name_is_refused_where_that_is_preferred(
    alice: Person, prefer: str
) -> None:
    path = f"/{alice.create()['id']}"
    before = alice.get().json()
    body = {"title": "Buy tea", "isCompleted": True, "x" * 1000: 1}
    for method, place in (("POST", ""), ("PUT", path)):
        refused = alice.request(method, place, json=body, headers={"Prefer": prefer})
        assert_refused(refused, 422, "validation_failed")
        assert [item["loc"] for item in refused.json()["detail"]] == [["body", "isCompleted"]]
    assert alice.get().json() == before


@STRICT
def test_a_task_that_was_read_can_be_sent_back_all_the_same(alice: Person, prefer: str) -> None:
    task = alice.create()
    for method, place in (("POST", ""), ("PUT", f"/{task['id']}")):
        response = alice.request(method, place, json=task, headers={"Prefer": prefer})
        assert response.is_success
        assert response.headers["Preference-Applied"] == "handling=strict"


def test_several_lines_of_the_header_are_one(alice: Person) -> None:
    """RFC 9110, 5.3."""
    headers = [("Authorization", f"Bearer {alice.token}"), ("Prefer", "respond-async")]
    headers += [("Prefer", "handling=strict"), ("Prefer", "handling=lenient")]
    refused = alice.http.post(alice.tasks, json={"title": "x", "colour": 1}, headers=headers)
    assert_refused(refused, 422, "validation_failed")


@STRICT
def test_what_is_strict_in_any_case_takes_the_preference(alice: Person, prefer: str) -> None:
    path = f"/{alice.create()['id']}"
    for method, place, body in (
        ("PATCH", path, {"title": "Buy tea", "isCompleted": True}),
        ("PATCH", f"{path}/complete", {"is_completed": True, "isCompleted": True}),
        ("POST", "/batch", {"operations": [{"op": "create", "title": "x", "colour": 1}]}),
        ("POST", "/batch", {"operations": [{"op": "create", "title": "x"}], "Atomic": False}),
    ):
        for headers in ({}, {"Prefer": prefer}):
            refused = alice.request(method, place, json=body, headers=headers)
            assert_refused(refused, 422, "validation_failed")
            assert refused.json()["detail"][0]["type"] == "extra_forbidden"


@pytest.mark.parametrize(
    "prefer",
    [
        None,
        "",
        "handling=lenient",
        "handling",
        "handling=lenient, handling=strict",
        'x="a, handling=strict"',
        'x="a, handling=strict',
        "x;handling=strict",
        "x",
    ],
)
def test_without_it_an_unknown_member_is_ignored(alice: Person, prefer: str | None) -> None:
    headers = {} if prefer is None else {"Prefer": prefer}
    response = alice.post(json={"title": "Buy tea", "colour": "blue"}, headers=headers)
    assert response.status_code == 201
    assert "Preference-Applied" not in response.headers
