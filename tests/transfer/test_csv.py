"""CSV: exports, spreadsheets, and tables that others wrote."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.effort import effort
from support.transfer import AWKWARD, MILK, TOKEN, VALUES, any_text, file_of, lists_of_tasks, read
from taskapi.transfer.formats.csv_file import harmless, original
from taskapi.transfer.formats.records import FIELDS, Record
from taskapi.transfer.formats.table import EXPORTS

CSV = EXPORTS["csv"]
EXPORT = file_of(CSV, [MILK, MILK | {"id": 8, "description": "=1+1\r\n'"}])
BEGINNINGS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


def as_python_reads(data: bytes) -> list[list[str]]:
    """The cells, as the csv module reads them without being told anything."""
    text = data.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_pythons_csv_reads_the_columns_the_tasks_and_the_end() -> None:
    header, milk, formula, end = as_python_reads(EXPORT)
    assert header == [*FIELDS]
    assert milk == ["7", MILK["title"], MILK["description"], "true", *milk[4:6], "alice"]
    assert milk[4:6] == [MILK["created_at"], MILK["updated_at"]]
    assert formula[2] == "'=1+1\r\n'"
    assert end == ["end", "2 tasks", TOKEN, "", "", "", ""]
    assert EXPORT.startswith(b'\xef\xbb\xbf"id","title",')


@given(tasks=lists_of_tasks)
@effort(examples=60)
def test_pythons_csv_finds_no_cell_that_a_spreadsheet_would_run(
    tasks: list[dict[str, object]],
) -> None:
    for row in as_python_reads(file_of(CSV, tasks)):
        assert not [cell for cell in row if cell and cell[0] in BEGINNINGS]


@given(cell=any_text | st.text("'=+-@\t\r\nx\uff1d", max_size=6))
@effort(examples=300)
def test_a_cell_that_was_made_harmless_comes_back(cell: str) -> None:
    made = harmless(cell)
    assert isinstance(made, str)
    assert original(made) == cell
    assert not made or made[0] not in BEGINNINGS


@given(cell=st.text("'=" + AWKWARD, max_size=6))
@effort(examples=200)
def test_a_cell_that_nobody_made_harmless_stays_as_it_is(cell: str) -> None:
    assert original(cell) == cell or harmless(original(cell)) == cell


def test_an_export_has_what_its_tasks_had_and_their_ids() -> None:
    values = VALUES | {"is_completed": "true"}
    assert read(CSV, EXPORT).records == [
        Record(2, values, "7 1769851800123456", 7),
        Record(4, values | {"description": "=1+1\r\n'"}, "8 1769851800123456", 8),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_of_others_has_its_columns_in_any_order_and_case(delimiter: str) -> None:
    lines = ["Description,TITLE,id", '"two,litres;of\tit",Buy milk,b-1', ",Buy bread,", "", ",,"]
    data = "\n".join(
        line if '"' in line else line.replace(",", delimiter) for line in lines
    ).replace('",Buy milk,b', f'"{delimiter}Buy milk{delimiter}b')
    assert read(CSV, data.encode()).records == [
        Record(2, {"description": "two,litres;of\tit", "title": "Buy milk"}, "b-1"),
        Record(3, {"description": "", "title": "Buy bread"}),
    ]


def test_a_quotation_mark_within_an_unquoted_cell_is_text() -> None:
    data = b'title\n5" screw\nnail\n6" screw\n5" nail'
    assert read(CSV, data).records == [
        Record(line, {"title": title})
        for line, title in [(2, '5" screw'), (3, "nail"), (4, '6" screw'), (5, '5" nail')]
    ]


def test_an_empty_cell_is_no_time_and_no_state() -> None:
    assert read(CSV, b"title,is_completed,created_at\na,,\n").values == [{"title": "a"}]


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (b"", (1, "the file has no tasks")),
        (b"title\n", (1, "the file has no tasks")),
        (b"\n\n", (2, "the file has no tasks")),
        (b"\ntitle,colour\n", (2, 'the column "colour" is unknown')),
        (b"title,Title\n", (1, 'the column "title" is there twice')),
        (b"id,description\n", (1, "the column title is missing")),
        (b'title\n"a\nb', (2, "the record is not CSV: unexpected end of data")),
        (b'title\n"a"b\n', (2, "the record is not CSV: ',' expected after '\"'")),
        (b'title\tid\n"a"b\t\n', (2, "the record is not CSV: 'TAB' expected after '\"'")),
        (
            b"title\ra\rb\r",
            (1, "the record is not CSV: new-line character seen in unquoted field"),
        ),
        (b"title\n" + b"x" * 131_073, (2, "the line is longer than 131072 bytes")),
        (b'title\n"' + b"x\n" * 65_536, (2, "the record is longer than 131072 characters")),
        (b"\xff\xfet\0i\0", (1, "the file is in UTF-16: save it as UTF-8")),
        (b"title\ncaf\xe9\n", (2, "the file is not in UTF-8: unexpected end of data at byte 4")),
        (b"title\na\0\n", (2, "the line has the character U+0000: is it UTF-8?")),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(data: bytes, refused: tuple[int, str]) -> None:
    assert read(CSV, data).refused == refused


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"a", "the record has 1 cells, and the header 2"),
        (b"a,b,c", "the record has 3 cells, and the header 2"),
        (b"a," + b"1" * 501, "id is not a number or a text of 1 to 500 characters"),
    ],
)
def test_a_record_that_cannot_be_a_task_is_refused_alone(record: bytes, reason: str) -> None:
    outcome = read(CSV, b"title,id\n" + record + b"\nb,\n")
    assert outcome.refusals == [(2, reason)]
    assert outcome.found[1:] == [Record(3, {"title": "b"})]


RECORDS = file_of(CSV, [MILK | {"id": task_id, "description": ""} for task_id in (1, 2)])
HEADER, ONE, TWO, END = RECORDS.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("records", "refused"),
    [
        ([HEADER, ONE], (2, "the export is cut off: its end is missing")),
        ([HEADER, ONE, END], (3, "the export had 2 tasks, and this file has 1")),
        ([HEADER, ONE, TWO, END, ONE], (5, "something follows the end of the export")),
        ([HEADER, ONE, TWO, END, END], (5, "something follows the end of the export")),
        (
            [HEADER, END.replace(b"2 tasks", b"x")],
            (2, "the end of the export does not say how many tasks it has"),
        ),
    ],
)
def test_an_export_that_is_not_whole_is_refused(
    records: list[bytes], refused: tuple[int, str]
) -> None:
    assert read(CSV, b"".join(records)).refused == refused
