"""No lost update: `ETag`, `If-Match` and `If-None-Match` (contract, section 6; RFC 9110, 13.1).

What a tag looks like inside is nobody's business here; tests/resource/test_entity_tags.py knows it.
"""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from support.calls import CALLS, CONDITIONAL, NO_TASK, assert_refused, at_once, call
from support.people import Person

OPERATIONS_WITH_A_CONDITION = pytest.mark.parametrize("operation", CONDITIONAL)
ANSWERED_BY_A_TASK = [operation for operation in CONDITIONAL if CALLS[operation].success == 200]

STRONG_TAG = re.compile(r'"[\x21\x23-\x7e]+"')

MALFORMED = ["", "x", '"', "W/", '"a', 'a"', '"a" "b"', 'w/"a"', '*, "a"', '"a", *', "**", '"a b"']


def sent(
    alice: Person, operation: str, task: dict[str, Any], header: str, value: str
) -> httpx.Response:
    return changed(alice, operation, task, headers={header: value})


def changed(alice: Person, operation: str, task: dict[str, Any], **options: Any) -> httpx.Response:
    ids = {"user_id": alice.id, "task_id": task["id"]}
    return call(alice.http, operation, **ids, token=alice.token, **options)


def tag_of(alice: Person, task: dict[str, Any]) -> str:
    return alice.get(f"/{task['id']}").headers["ETag"]


def outdated(alice: Person, task: dict[str, Any]) -> str:
    """The tag of a version that the task no longer has."""
    tag = tag_of(alice, task)
    alice.put(f"/{task['id']}", json={"title": "Changed meanwhile"})
    return tag


# ETag


def test_every_answer_with_one_task_carries_its_version(alice: Person) -> None:
    created = alice.post(json={"title": "Buy milk"})
    path = f"/{created.json()['id']}"
    answers = [
        created,
        alice.put(path, json={"title": "Buy tea"}),
        alice.patch(path, json={"description": "Green"}),
        alice.patch(f"{path}/complete"),
    ]
    assert len({answer.headers["ETag"] for answer in answers}) == len(answers)
    assert all(STRONG_TAG.fullmatch(answer.headers["ETag"]) for answer in answers)
    assert alice.get(path).headers["ETag"] == answers[-1].headers["ETag"]


def test_a_version_stays_as_long_as_the_task_does(alice: Person) -> None:
    created = alice.post(json={"title": "Buy milk"})
    path = f"/{created.json()['id']}"
    same = [
        alice.get(path),
        alice.get(path),
        alice.patch(f"{path}/complete", json={"is_completed": False}),
        alice.patch(path, json={}),
    ]
    assert {answer.headers["ETag"] for answer in same} == {created.headers["ETag"]}


# If-Match, and what must hold for a write


@OPERATIONS_WITH_A_CONDITION
def test_a_change_of_the_version_that_was_read_is_done(alice: Person, operation: str) -> None:
    task = alice.create()
    response = sent(alice, operation, task, "If-Match", tag_of(alice, task))
    assert response.status_code == CALLS[operation].success


@OPERATIONS_WITH_A_CONDITION
def test_a_change_of_another_version_is_412_and_changes_nothing(
    alice: Person, operation: str
) -> None:
    task = alice.create()
    tag = outdated(alice, task)
    now = alice.get(f"/{task['id']}")
    response = sent(alice, operation, task, "If-Match", tag)
    assert_refused(response, 412, "version_mismatch")
    assert response.headers["ETag"] == now.headers["ETag"]
    assert response.json()["current"] == now.json()
    assert alice.get(f"/{task['id']}").content == now.content


@OPERATIONS_WITH_A_CONDITION
def test_a_412_has_the_task_as_it_is_in_the_form_of_rfc_9457_too(
    alice: Person, operation: str
) -> None:
    title = '\\ " } \u00e9 \U0001f382'
    task = alice.create(title, description='{"current": null}')
    headers = {"If-Match": '"another"', "Accept": "application/problem+json"}
    response = changed(alice, operation, task, headers=headers)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (response.json()["status"], response.json()["current"]) == (412, task)


@OPERATIONS_WITH_A_CONDITION
def test_the_tag_of_a_412_is_the_one_to_try_again_with(alice: Person, operation: str) -> None:
    task = alice.create()
    refused = sent(alice, operation, task, "If-Match", outdated(alice, task))
    again = sent(alice, operation, task, "If-Match", refused.headers["ETag"])
    assert again.status_code == CALLS[operation].success


Change = Callable[[str], str]

NO_MATCH: dict[str, Change] = {
    "empty": lambda _: '""',
    "of somebody else": lambda _: '"33a64df551425fcc55e4d42a148795d9f25f89d4"',
    "with zeros in front": lambda tag: f'"0{tag[1:]}',
    "in upper case": lambda tag: tag.upper(),
    "cut": lambda tag: f'{tag[:-2]}"',
    "longer": lambda tag: f'{tag[:-1]}0"',
    "beyond all times": lambda _: '"ffffffffffffffff"',
    "of a star": lambda _: '"*"',
    "not ASCII": lambda _: '"\xe9"',
    "of a list": lambda tag: f'"{tag[1:-1]}-{tag[1:-1]}-0123456789abcdef"',
    "with a coding before it": lambda tag: f'"gzip-{tag[1:]}',
    "with no known coding": lambda tag: f'{tag[:-1]}-gzipped"',
    "with a coding and no mark": lambda tag: f'{tag[:-1]}gzip"',
    "of two codings": lambda tag: f'{tag[:-1]}-br-gzip"',
    "a time that never was": lambda _: '"2026-01-31T09:30:00.123456Z"',
    "no time at all": lambda _: '"2026-13-31T09:30:00.123456Z"',
}

PROXIES: dict[str, Change] = {
    "nginx, HAProxy, Varnish, Cloudflare, CloudFront": lambda tag: f"W/{tag}",
    "Apache, lighttpd, Caddy": lambda tag: f'{tag[:-1]}-gzip"',
    "Apache with Brotli": lambda tag: f'{tag[:-1]}-br"',
    "Caddy with Zstandard": lambda tag: f'{tag[:-1]}-zstd"',
    "lighttpd with deflate": lambda tag: f'{tag[:-1]}-deflate"',
    "Jetty": lambda tag: f'{tag[:-1]}--gzip"',
    "Roxen": lambda tag: f'{tag[:-1]};gzip"',
    "LiteSpeed": lambda tag: f'{tag[:-1]};gz"',
    "one behind the other": lambda tag: f'W/{tag[:-1]}-gzip"',
}
"""How each rewrites a tag when it compresses (docs/decisions/0027 has where they say so)."""


@pytest.mark.parametrize("change", NO_MATCH.values(), ids=NO_MATCH)
@OPERATIONS_WITH_A_CONDITION
def test_tags_are_compared_as_they_are_written(
    alice: Person, operation: str, change: Change
) -> None:
    task = alice.create()
    tag = ""
    while tag == tag.upper():  # until there is a letter to be seen in it
        tag = alice.put(f"/{task['id']}", json={"title": "x"}).headers["ETag"]
    raw = {"If-Match": change(tag).encode("latin-1")}
    response = changed(alice, operation, task, headers=raw)
    assert_refused(response, 412, "version_mismatch")


MATCH: dict[str, Change] = {
    "alone": lambda tag: tag,
    "first": lambda tag: f'{tag}, "other"',
    "last": lambda tag: f'"other",{tag}',
    "among": lambda tag: f'"", "a,b" , W/"other" ,\t{tag},"last"',
    "weak in a list": lambda tag: f'"other", W/{tag}, "another"',
    "among nothing": lambda tag: f",, {tag} ,",
    "after a hundred": lambda tag: '"other", ' * 100 + tag,
    "a star": lambda _: "*",
    "a star with spaces": lambda _: " * ",
}


@pytest.mark.parametrize("change", (MATCH | PROXIES).values(), ids=MATCH | PROXIES)
@OPERATIONS_WITH_A_CONDITION
def test_one_of_the_listed_tags_is_enough(alice: Person, operation: str, change: Change) -> None:
    task = alice.create()
    response = sent(alice, operation, task, "If-Match", change(tag_of(alice, task)).strip())
    assert response.status_code == CALLS[operation].success


@OPERATIONS_WITH_A_CONDITION
def test_every_row_of_a_list_has_its_version(alice: Person, operation: str) -> None:
    alice.create()
    [row] = alice.get().json()["tasks"]
    version = f'"{row["updated_at"]}"'
    assert alice.get(f"/{row['id']}", headers={"If-None-Match": version}).status_code == 304
    alice.put(f"/{row['id']}", json={"title": "Changed meanwhile"})
    assert_refused(sent(alice, operation, row, "If-Match", version), 412, "version_mismatch")
    assert alice.get(f"/{row['id']}", headers={"If-None-Match": version}).status_code == 200
    [row] = alice.get().json()["tasks"]
    response = sent(alice, operation, row, "If-Match", f'"other", "{row["updated_at"]}"')
    assert response.status_code == CALLS[operation].success


def test_several_lines_are_one_list(alice: Person) -> None:
    task = alice.create()
    tag = tag_of(alice, task)
    lines = [
        ("Authorization", f"Bearer {alice.token}"),
        ("If-Match", '"other"'),
        ("If-Match", tag),
    ]
    url = f"{alice.tasks}/{task['id']}"
    assert alice.http.put(url, json={"title": "x"}, headers=lines).status_code == 200
    assert alice.http.put(url, json={"title": "x"}, headers=lines).status_code == 412


@pytest.mark.parametrize("value", MALFORMED)
@OPERATIONS_WITH_A_CONDITION
def test_a_condition_that_cannot_be_read_is_422(alice: Person, operation: str, value: str) -> None:
    task = alice.create()
    response = sent(alice, operation, task, "If-Match", value)
    assert_refused(response, 422, "validation_failed")
    assert response.json()["detail"][0]["loc"] == ["header", "If-Match"]
    assert alice.get(f"/{task['id']}").json() == task


@pytest.mark.parametrize("value", ["*", '"a"'])
@OPERATIONS_WITH_A_CONDITION
def test_a_missing_or_foreign_task_is_404_whatever_the_condition(
    alice: Person, bob: Person, operation: str, value: str
) -> None:
    foreign = bob.create()
    for task in (foreign, {"id": NO_TASK}):
        assert_refused(sent(alice, operation, task, "If-Match", value), 404, "task_not_found")
    right = tag_of(bob, foreign)
    assert_refused(sent(alice, operation, foreign, "If-Match", right), 404, "task_not_found")
    assert bob.get(f"/{foreign['id']}").json() == foreign


@pytest.mark.parametrize("operation", ANSWERED_BY_A_TASK)
def test_what_is_wrong_with_a_body_comes_before_a_412(alice: Person, operation: str) -> None:
    task = alice.create()
    tag = outdated(alice, task)
    body = {"title": 1, "is_completed": 1}
    response = changed(alice, operation, task, headers={"If-Match": tag}, json=body)
    assert_refused(response, 422, "validation_failed")


@pytest.mark.parametrize("operation", ANSWERED_BY_A_TASK)
def test_of_ten_concurrent_writers_with_the_same_version_exactly_one_wins(
    alice: Person, operation: str
) -> None:
    task = alice.create()
    tag = tag_of(alice, task)
    answers = at_once([lambda: sent(alice, operation, task, "If-Match", tag)] * 10)
    [winner] = [answer for answer in answers if answer.status_code == 200]
    for loser in answers:
        if loser is not winner:
            assert_refused(loser, 412, "version_mismatch")
            assert loser.headers["ETag"] == winner.headers["ETag"]
    assert alice.get(f"/{task['id']}").content == winner.content


@pytest.mark.parametrize("attempt", range(5))
def test_of_concurrent_writers_of_all_kinds_exactly_one_wins(alice: Person, attempt: int) -> None:
    task = alice.create()
    tag = tag_of(alice, task)

    def write(operation: str) -> Callable[[], httpx.Response]:
        return lambda: sent(alice, operation, task, "If-Match", tag)

    answers = at_once([write(operation) for operation in CONDITIONAL * 3])
    won = [answer.status_code for answer in answers if answer.is_success]
    lost = {answer.status_code for answer in answers if not answer.is_success}
    assert len(won) == 1
    assert lost == ({404} if won == [204] else {412})


# If-None-Match, and what need not be sent again

NOT_NEEDED: dict[str, Change] = {
    "the same": lambda tag: tag,
    "weak": lambda tag: f"W/{tag}",
    "in a list": lambda tag: f'"other", {tag}',
    "weak in a list": lambda tag: f'W/"other",W/{tag}',
    "a star": lambda _: "*",
} | PROXIES
NEEDED: dict[str, Change] = {
    "of somebody else": lambda _: '"other"',
    "empty": lambda _: '""',
    "cut": lambda tag: f'{tag[:-2]}"',
}


@pytest.fixture
def readable(alice: Person) -> list[str]:
    """What has a version to read: a task, a list, a page of it, and an empty list."""
    task = alice.create("Buy milk")
    alice.create("Buy tea")
    return [f"/{task['id']}", "", "?limit=1", "?q=nothing"]


@pytest.mark.parametrize("change", NOT_NEEDED.values(), ids=NOT_NEEDED)
def test_what_the_client_has_already_is_304(
    alice: Person, readable: list[str], change: Change
) -> None:
    for path in readable:
        first = alice.get(path)
        again = alice.get(path, headers={"If-None-Match": change(first.headers["ETag"])})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert "Content-Type" not in again.headers


@pytest.mark.parametrize("change", NEEDED.values(), ids=NEEDED)
def test_any_other_version_is_answered_in_full(
    alice: Person, readable: list[str], change: Change
) -> None:
    for path in readable:
        first = alice.get(path)
        again = alice.get(path, headers={"If-None-Match": change(first.headers["ETag"])})
        assert (again.status_code, again.content) == (200, first.content)


@pytest.mark.parametrize("path", ["", "?limit=1", f"/{NO_TASK}"])
def test_a_tag_that_cannot_be_read_is_422_before_the_database_is_asked(
    alice: Person, stranded: httpx.Client, path: str
) -> None:
    for http in (alice.http, stranded):
        person = Person(alice.id, alice.token, http)
        response = person.get(path, headers={"If-None-Match": "nonsense"})
        assert_refused(response, 422, "validation_failed")
        assert person.request("HEAD", path, headers={"If-None-Match": "a"}).status_code == 422
        lines = [("If-None-Match", '"a"'), ("If-None-Match", "nonsense")]
        headers = [("Authorization", f"Bearer {alice.token}"), *lines]
        response = http.get(alice.tasks + path, headers=headers)
        assert_refused(response, 422, "validation_failed")


@pytest.mark.parametrize("value", MALFORMED)
def test_a_tag_that_cannot_be_read_is_422(alice: Person, readable: list[str], value: str) -> None:
    for path in readable:
        response = alice.get(path, headers={"If-None-Match": value})
        assert_refused(response, 422, "validation_failed")
        assert response.json()["detail"][0]["loc"] == ["header", "If-None-Match"]


def test_a_task_that_has_changed_is_sent_again(alice: Person) -> None:
    task = alice.create()
    tag = outdated(alice, task)
    assert alice.get(f"/{task['id']}", headers={"If-None-Match": tag}).status_code == 200


def test_a_missing_or_foreign_task_is_404_whatever_the_client_has(
    alice: Person, bob: Person
) -> None:
    task = bob.create()
    for value in ("*", tag_of(bob, task)):
        for task_id in (task["id"], NO_TASK):
            response = alice.get(f"/{task_id}", headers={"If-None-Match": value})
            assert_refused(response, 404, "task_not_found")
