"""The operator's commands: `taskapi export` and `taskapi import`."""

from pathlib import Path

import pytest

from support.commands import told
from support.files import export_in, exported, imported, titles
from support.people import Person
from support.programs import run
from support.service import as_service
from taskapi.database.url import DatabaseUrl


def test_what_one_command_writes_another_reads(
    database: DatabaseUrl, alice: Person, bob: Person, tmp_path: Path
) -> None:
    """As programs, in a folder of the operator's."""
    tasks = [alice.create(f"Task {number}", "a\nb") for number in range(3)]
    bob.create("Bob's own")
    settings = {"DATABASE_URL": as_service(database).dsn}

    def ran(*arguments: object) -> tuple[str, str]:
        done = run("taskapi", *arguments, folder=tmp_path, settings=settings)
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    out, err = ran("export", "--user-id", alice.id, "--output", "tasks.jsonl")
    assert (out, err) == ("", f"Exported 3 tasks of user {alice.id}.\n")
    file = (tmp_path / "tasks.jsonl").read_bytes()
    assert export_in(file).tasks == tasks
    out, err = ran("export", "--user-id", alice.id)
    assert export_in(out.encode()).tasks == tasks
    out, err = ran("import", "tasks.jsonl", "--user-id", bob.id)
    assert out.startswith(f"Created 3 tasks for user {bob.id}. 0 were there already")
    assert [task["title"] for task in exported(bob).tasks] == [
        "Task 0",
        "Task 1",
        "Task 2",
        "Bob's own",
    ]


def test_a_dry_run_of_the_command_writes_nothing(
    database: DatabaseUrl, alice: Person, tmp_path: Path
) -> None:
    alice.create()
    before = alice.get().content
    file = tmp_path / "tasks.jsonl"
    file.write_bytes(titles("One", "Two"))
    arguments = ("import", file, "--user-id", alice.id)
    dry = told(as_service(database), *arguments, "--dry-run")
    assert (dry.status, dry.stderr) == (0, "")
    assert dry.stdout.startswith("Would create 2 tasks")
    assert alice.get().content == before
    assert told(as_service(database), *arguments).stdout.startswith("Created 2 tasks")
    assert told(as_service(database), *arguments).stdout.startswith("Created 0 tasks")
    assert imported(alice, file.read_bytes()) == (0, 2)


def test_a_file_with_mistakes_is_told_line_by_line(
    database: DatabaseUrl, alice: Person, tmp_path: Path
) -> None:
    alice.create()
    file = tmp_path / "tasks.jsonl"
    file.write_bytes(titles("One", "") + b"{\n")
    refused = told(as_service(database), "import", file, "--user-id", alice.id)
    assert (refused.status, refused.stdout) == (1, "")
    first, second, last = refused.stderr.splitlines()
    assert first.startswith(f"{file}:2: title: ")
    assert second.startswith(f"{file}:3: ")
    assert last == "Nothing was imported."
    assert alice.get().json()["total"] == 1


@pytest.mark.parametrize("command", ["export", "import"])
def test_a_user_who_is_not_there_is_told(
    database: DatabaseUrl, command: str, alice: Person, tmp_path: Path
) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_bytes(titles("One"))
    arguments = [file] if command == "import" else []
    for more in ([], ["--dry-run"] if command == "import" else []):
        refused = told(as_service(database), command, *arguments, "--user-id", alice.id, *more)
        assert (refused.status, refused.stdout) == (1, "")
        assert refused.stderr == f"There is no user {alice.id} in users.\n"


@pytest.mark.parametrize("user_id", ["alice", "0", "-1", "1e3", str(2**63), ""])
@pytest.mark.parametrize("command", ["export", "erase"])
def test_an_id_that_no_user_can_have_is_told(
    database: DatabaseUrl, command: str, user_id: str
) -> None:
    more = ["--yes"] if command == "erase" else []
    refused = told(as_service(database), command, f"--user-id={user_id}", *more)
    assert (refused.status, refused.stdout) == (1, "")
    assert refused.stderr == f"{user_id} is no user id: USER_ID_TYPE is integer.\n"


@pytest.mark.parametrize("output", ["/dev/full", "/nowhere/tasks.jsonl", "."])
def test_an_output_that_cannot_be_written_is_told_in_a_line(
    database: DatabaseUrl, alice: Person, output: str, tmp_path: Path
) -> None:
    alice.create()
    refused = told(as_service(database), "export", "--user-id", alice.id, "--output", output)
    assert refused.status != 0
    assert refused.stderr
    assert refused.stdout == ""


def test_nothing_but_the_file_comes_on_standard_output(tmp_path: Path) -> None:
    """Not even a line of the log about a database that is not there."""
    settings = {"DATABASE_URL": f"postgresql://nobody@/tasks?host={tmp_path}"}
    refused = run("taskapi", "export", "--user-id", 1, folder=tmp_path, settings=settings)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "database_unavailable" in refused.stderr
    assert "The database is unavailable" in refused.stderr
