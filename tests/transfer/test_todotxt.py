"""todo.txt: exports, and the files of other programs."""

import pytest
from hypothesis import given

from support.effort import effort
from support.transfer import MILK, TOKEN, Task, file_of, lists_of_tasks, read
from taskapi.transfer.formats.records import Record
from taskapi.transfer.formats.table import EXPORTS
from taskapi.transfer.formats.todotxt import LINE_BREAKS

TODO_TXT = EXPORTS["todotxt"]
EXPORT = file_of(
    TODO_TXT, [MILK, MILK | {"id": 8, "title": "x\r\n(A)\u2028+b", "is_completed": False}]
)
DONE, OPEN, END = EXPORT.splitlines(keepends=True)


def test_a_line_has_dates_title_and_name_and_the_last_one_counts() -> None:
    assert EXPORT.decode().splitlines() == [
        "x 2026-02-01 2026-01-31 Buy milk taskapi:7-1769851800123456",
        "2026-01-31 x (A) +b taskapi:8-1769851800123456",
        f"x taskapi:end tasks:2 next:{TOKEN}",
    ]


@given(tasks=lists_of_tasks)
@effort(examples=100)
def test_titles_states_and_times_come_back_the_same(tasks: list[Task]) -> None:
    records = read(TODO_TXT, file_of(TODO_TXT, tasks)).records if tasks else []
    assert [(record.values, record.task_id) for record in records] == [
        (
            {
                "title": LINE_BREAKS.sub(" ", task["title"]),
                "is_completed": task["is_completed"],
                "created_at": task["created_at"],
            },
            task["id"],
        )
        for task in tasks
    ]


# The examples of the format's own page (todotxt/todo.txt, README.md), and a few more.
@pytest.mark.parametrize(
    ("line", "is_completed", "title", "day"),
    [
        ("(A) Thank Mom for the meatballs @phone", False, None, None),
        ("Post signs around the neighborhood +GarageSale", False, None, None),
        ("Really gotta call Mom (A) @phone @someday", False, None, None),
        ("(b) Get back to the boss", False, None, None),
        ("(B)->Submit TPS report", False, None, None),
        ("2011-03-02 Document +TodoTxt task format", False, "Document +TodoTxt task format", 2),
        ("(A) 2011-03-02 Call Mom", False, "(A) Call Mom", 2),
        ("(A) Call Mom 2011-03-02", False, None, None),
        ("xylophone lesson", False, None, None),
        ("X 2012-01-01 Make resolutions", False, None, None),
        ("(A) x Find ticket prices", False, None, None),
        ("x 2011-03-03 Call Mom", True, "Call Mom", None),
        ("x 2011-03-02 2011-03-01 Review @github pri:A", True, "Review @github pri:A", 1),
        ("x Call Mom", True, "Call Mom", None),
        ("2011-03-02 2011-03-01 twice", False, "2011-03-01 twice", 2),
        ("2011-02-30 no day", False, None, None),
        ("Renew passport due:2026-12-24", False, None, None),
        ("Buy taskapi:7", False, None, None),
    ],
)
def test_the_lines_of_other_programs_are_read_by_the_rules(
    line: str, *, is_completed: bool, title: str | None, day: int | None
) -> None:
    values: dict[str, object] = {"title": title or line, "is_completed": is_completed}
    if day is not None:
        values["created_at"] = f"2011-03-0{day}T00:00:00Z"
    assert read(TODO_TXT, f"{line}\r\n\r\n".encode()).records == [Record(1, values)]


def test_lines_of_an_export_may_be_sorted_and_changed_and_others_added() -> None:
    done = OPEN.replace(b"2026", b"x 2026-03-01 2026", 1).replace(b"\n", b" pri:A\n")
    outcome = read(TODO_TXT, END + done + b"new\n" + DONE)
    assert [(record.values["title"], record.task_id) for record in outcome.records] == [
        ("x (A) +b pri:A", 8),
        ("new", None),
        ("Buy milk", 7),
    ]
    assert outcome.values[0]["is_completed"] is True


def test_a_name_in_a_title_stays_there() -> None:
    title = "taskapi:1-1 and taskapi:2-2"
    [record] = read(TODO_TXT, file_of(TODO_TXT, [MILK | {"title": title}])).records
    assert (record.values["title"], record.task_id) == (title, 7)


def test_a_time_that_is_out_of_range_is_refused() -> None:
    line = f"a taskapi:1-{'9' * 18}\n".encode()
    outcome = read(TODO_TXT, line + END.replace(b":2 ", b":1 "))
    assert outcome.refusals == [(1, "the time in the name of the task is out of range")]


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (b"", (1, "the file has no tasks")),
        (b"\n \n", (2, "the file has no tasks")),
        (DONE, (1, "the export is cut off: its end is missing")),
        (DONE + END, (2, "the export had 2 tasks, and this file has 1")),
        (EXPORT + END, (4, "the export has two ends")),
        (EXPORT + EXPORT, (6, "the export has two ends")),
        (DONE + b"caf\xe9\n", (2, "the file is not in UTF-8: unexpected end of data at byte 4")),
    ],
)
def test_a_file_that_is_not_whole_is_refused(data: bytes, refused: tuple[int, str]) -> None:
    assert read(TODO_TXT, data).refused == refused
