"""docs/moving.md: every command runs as it stands there, and its tables are true."""

import csv
import itertools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import other_programs as files
from support.client_page import node, write_files
from support.moving_page import SECTIONS, TEXT, Block, is_as_printed, run
from support.people import Person
from support.programs import Service
from support.waiting import PATIENCE

Values = tuple[str, str, bool]
"""Title, description and state."""

MILK = "Buy milk"
ARRIVALS: dict[str, tuple[dict[str, str], set[Values]]] = {
    "Todoist": (
        {"Weekend [2203306141].csv": files.TODOIST},
        {
            ("Buy milk @shop", "Two litres\nDue: every Saturday\nThe one in glass", False),
            ("Call Mum", "", False),
        },
    ),
    "Google Tasks": (
        {"Takeout/Tasks/Tasks.json": files.GOOGLE},
        {
            (MILK, "Two litres\nDue: 2026-12-24", False),
            ("Call Mum", "", True),
            ("Water the plants", "", False),
        },
    ),
    "Microsoft To Do": (
        {},
        {
            (MILK, "Bread & butter, too\n[x] Find the bag\n[ ] Go\nDue: 2026-12-24", False),
            ("Call Mum", "", True),
            ("Water the plants", "", False),
        },
    ),
    "Calendars and reminders": (
        {"tasks.ics": files.CALENDAR},
        {
            (
                "Buy milk, two litres",
                "The one in glass\nand the deposit returned\nDue: 2026-12-24",
                False,
            ),
            ("Call Mum", "", True),
        },
    ),
    "todo.txt": (
        {"todo.txt": files.TODO_TXT, "done.txt": files.DONE_TXT},
        {
            ("(A) Buy milk +Shop @town", "", False),
            ("Call Mum due:2026-12-24", "", False),
            ("Water the plants +Garden", "", True),
        },
    ),
    "Your own data": (
        {},
        {
            (MILK, "", False),
            ("Call Mum", "About Sunday", True),
            ("Buy bread", "Rye, not\ntoo dark", False),
            ("Water the plants", "", True),
        },
    ),
    "First look, then import": ({}, {("Buy tea", "", False), ("Buy rice", "", False)}),
    "Errors": ({}, set()),
}
"""The files before a section, and the tasks after it."""

ELSEWHERE = {"Before", "For the operator", "A backup every night"}
"""What other tests run: below, and in tests/agents."""

DEPARTURES = ("Moving out", "Is the file whole?", "Go on from there", "Files of more than 10 MiB")
"""In the order in which one section needs what another has left."""


def given(person: Person) -> dict[str, str]:
    """What the first block of the page sets."""
    tasks = f"{person.http.base_url}{person.tasks}".replace("//api", "/api")
    return {"USER_ID": person.id, "TASKS": tasks, "TOKEN": person.token}


def tasks_of(person: Person) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = person.get("?sort=created_at").json()["tasks"]
    return tasks


def values_of(person: Person) -> set[Values]:
    return {(each["title"], each["description"], each["is_completed"]) for each in tasks_of(person)}


def run_section(heading: str, folder: Path, variables: dict[str, str]) -> None:
    for block in SECTIONS[heading]:
        if block.language == "python":
            (folder / "microsoft_todo.py").write_text(block.code)
            continue
        printed = run(block.code, folder, variables)
        if block.printed is not None:
            assert is_as_printed(printed, block.printed), printed


def commands(heading: str) -> list[Block]:
    return [block for block in SECTIONS[heading] if block.language == "sh"]


def test_every_command_of_the_page_is_run() -> None:
    assert {heading for heading in SECTIONS if SECTIONS[heading]} == {
        *ARRIVALS,
        *DEPARTURES,
        *ELSEWHERE,
    }
    assert sum(map(len, SECTIONS.values())) == len(
        re.findall(r"^```(?:sh|python)$", TEXT, re.MULTILINE)
    )


@pytest.fixture(scope="module")
def microsoft() -> Iterator[dict[str, str]]:
    """Where Microsoft's tasks are, for who has a token."""
    with files.graph() as url:
        yield {"GRAPH_URL": url, "GRAPH_TOKEN": files.GRAPH_TOKEN}


@pytest.mark.parametrize("heading", ARRIVALS)
def test_tasks_arrive_as_the_page_says(
    alice: Person, tmp_path: Path, microsoft: dict[str, str], heading: str
) -> None:
    before, after = ARRIVALS[heading]
    for name, content in before.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content.encode())
    run_section(heading, tmp_path, given(alice) | microsoft)
    assert values_of(alice) == after


def test_tasks_leave_as_the_page_says(alice: Person, bob: Person, tmp_path: Path) -> None:
    tasks = [alice.create(f"Task {number}", "a\nb") for number in range(5)]
    alice.patch(f"/{tasks[0]['id']}/complete")
    for block in commands("Moving out"):
        run(block.code, tmp_path, given(alice))
    with (tmp_path / "done.csv").open(newline="", encoding="utf-8-sig") as file:
        assert [row["title"] for row in csv.DictReader(file)] == ["Task 0", "1 tasks"]
    [whole] = commands("Is the file whole?")
    assert run(whole.code, tmp_path, given(alice)) == "5\n"
    alice.create("After the export")
    [go_on] = commands("Go on from there")
    assert run(go_on.code, tmp_path, given(alice)).count('"title":') == 1
    [split] = commands("Files of more than 10 MiB")
    assert "-C 10M " in split.code
    run(split.code.replace("-C 10M ", "-C 500 "), tmp_path, given(bob))
    assert len(list(tmp_path.glob("part-*.jsonl"))) > 1
    assert values_of(bob) | {("After the export", "", False)} == values_of(alice)


PAGE_OF_THE_WEB = """
import { exportFile, importFile } from "./files.mjs";
const file = new File(['{"title": "Buy milk"}\\n'], "mine.jsonl");
console.log(await importFile(file, "jsonl", { dryRun: true }), await importFile(file, "jsonl"));
const kept = await exportFile("jsonl", { is_completed: false });
console.log((await kept.text()).split("\\n").length);
const [first] = (await kept.text()).split(/(?<=\\n)/);
const show = ({ code, detail }) => console.log(code, detail[0].msg);
await importFile(new Blob([first]), "jsonl").catch(show);
"""


def test_a_web_page_imports_and_exports(alice: Person, tmp_path: Path) -> None:
    write_files(tmp_path)
    [block] = re.findall(r"^```js\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    (tmp_path / "files.mjs").write_text(block)
    (tmp_path / "page.mjs").write_text(PAGE_OF_THE_WEB)
    url = str(alice.http.base_url).rstrip("/")
    printed = subprocess.check_output(
        [node(), "page.mjs"],
        cwd=tmp_path,
        env={"TASKAPI_URL": url, "TASKAPI_USER": alice.id, "TASKAPI_TOKEN": alice.token},
        text=True,
        timeout=PATIENCE,
    )
    made = "{ created: 1, known: 0, ignored: 0, dry_run: %s }"
    assert printed.splitlines() == [
        f"{made % 'true'} {made % 'false'}",
        "3",
        "validation_failed the export is cut off: its end is missing",
    ]


_users = itertools.count(7_000_000)


def test_the_first_block_and_the_operators_commands_work_on_the_embedded_database(
    development: tuple[Service, Person], tmp_path: Path
) -> None:
    service, someone = development
    (tmp_path / ".taskapi").symlink_to(service.folder / ".taskapi")
    [first] = commands("Before")
    user = str(next(_users))
    begin = first.code.replace("USER_ID=1\n", f"USER_ID={user}\n").replace(
        "http://127.0.0.1:8000", str(someone.http.base_url).rstrip("/")
    )
    token = run(begin + 'echo "$TOKEN"', tmp_path, {}).strip()
    alice = Person(user, token, someone.http)
    alice.create(MILK)
    [operators] = commands("For the operator")
    printed = run(operators.code, tmp_path, {"USER_ID": user}).splitlines()
    assert printed[0] == (
        f"Created 0 tasks for user {user}. 1 were there already; 0 records are no tasks."
    )
    assert printed[1].startswith(f"Erased 1 tasks of user {user}, ")
    assert (tmp_path / "tasks.jsonl").read_bytes().count(b"\n") == len([MILK, "the end"])
    assert tasks_of(alice) == []
