"""JSON Lines: exports, and lines that others wrote."""

import json

import pytest

from support.transfer import MILK, TOKEN, VALUES, file_of, read
from taskapi.transfer.formats.records import Record
from taskapi.transfer.formats.table import EXPORTS

JSON_LINES = EXPORTS["jsonl"]

EXPORT = file_of(JSON_LINES, [MILK, MILK | {"id": 8}, MILK | {"id": 9}])


def test_a_line_is_a_task_as_the_api_shows_it_and_the_last_one_counts() -> None:
    *tasks, end = [json.loads(line) for line in EXPORT.splitlines()]
    assert tasks == [MILK, MILK | {"id": 8}, MILK | {"id": 9}]
    assert end == {"end": {"tasks": 3, "next": TOKEN}}


def test_an_export_has_what_its_tasks_had_and_their_ids() -> None:
    assert read(JSON_LINES, EXPORT).records == [
        Record(line, VALUES, f"{task_id} 1769851800123456", task_id)
        for line, task_id in [(1, 7), (2, 8), (3, 9)]
    ]


def test_an_export_of_nothing_is_whole() -> None:
    assert read(JSON_LINES, file_of(JSON_LINES, [])).records == []


def test_a_line_of_others_needs_a_title_alone() -> None:
    data = b'\xef\xbb\xbf{"title": "one"}\r\n\r\n{"title": "two", "description": null}'
    assert read(JSON_LINES, data).records == [
        Record(1, {"title": "one"}),
        Record(3, {"title": "two", "description": None}),
    ]


@pytest.mark.parametrize(("written", "source"), [('"b2-x"', "b2-x"), ("17", "17")])
def test_an_id_of_others_names_the_task(written: str, source: str) -> None:
    [record] = read(JSON_LINES, f'{{"title": "one", "id": {written}}}'.encode()).records
    assert (record.source, record.task_id) == (source, None)


@pytest.mark.parametrize(
    ("created_at", "source", "task_id"),
    [
        ('"2026-01-31T10:30:00.123456+01:00"', "7 1769851800123456", 7),
        ('"0001-01-01T00:00:00+14:00"', "7 -62135647200000000", 7),
        ('"9999-12-31T23:59:59.999999-14:00"', "7 253402351199999999", 7),
        ('"2026-01-31T10:30:00"', "7", None),
        ('"yesterday"', "7", None),
        ("5", "7", None),
        ("null", "7", None),
    ],
)
def test_an_id_is_of_this_service_where_a_time_is_with_it(
    created_at: str, source: str, task_id: int | None
) -> None:
    line = f'{{"title": "one", "id": 7, "created_at": {created_at}}}'
    [record] = read(JSON_LINES, line.encode()).records
    assert (record.source, record.task_id) == (source, task_id)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes (column 2)"),
        ('{"title": "a", "title": "b"}', "two members of one name"),
        ('{"title": "a", "done": true}', 'no member "done"'),
        ('{"title": "a", "\\ud800": true}', 'no member "\\ud800"'),
        ('{"description": "a"}', "title is missing"),
        ("[]", "not a JSON object"),
        ('{"title": "a", "id": true}', "id is not"),
        ('{"title": "a", "id": ""}', "id is not"),
        ('{"title": "a", "id": "\\ud800"}', "id is not"),
        ('{"title": "a", "id": [1]}', "id is not"),
        ('{"title": "a", "id": 1%s}' % ("0" * 501), "id is not"),
    ],
)
def test_a_line_that_cannot_be_a_task_is_refused_alone(line: str, reason: str) -> None:
    outcome = read(JSON_LINES, f'{line}\n{{"title": "b"}}'.encode())
    [(number, said)] = outcome.refusals
    assert (number, outcome.found[1:]) == (1, [Record(2, {"title": "b"})])
    assert reason in said
    assert said.isprintable()


def test_an_export_that_is_cut_off_anywhere_is_refused() -> None:
    for length in range(len(EXPORT) - 1):  # without the last line feed it is whole
        outcome = read(JSON_LINES, EXPORT[:length])
        assert outcome.refused or outcome.refusals, length


LINES = EXPORT.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        ([], (1, "the file has no tasks")),
        ([b"\n", b" \r\n"], (2, "the file has no tasks")),
        (LINES[1:], (3, "the export had 3 tasks, and this file has 2")),
        ([*LINES, LINES[0]], (5, "something follows the end of the export")),
        ([*LINES, LINES[-1]], (5, "something follows the end of the export")),
        (LINES[:3], (3, "the export is cut off: its end is missing")),
        ([b'{"end":{}}'], (1, "the end of the export does not say how many tasks it has")),
        ([b'{"end":3}'], (1, "the end of the export does not say how many tasks it has")),
    ],
)
def test_a_file_that_is_not_whole_is_refused(lines: list[bytes], refused: tuple[int, str]) -> None:
    assert read(JSON_LINES, b"".join(lines)).refused == refused
