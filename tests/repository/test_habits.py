"""The files that a host of repositories and an editor read: valid, and true of this repository."""

import re
import subprocess
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from support.machine import PROGRAMS, ROOT

GITHUB = ROOT / ".github"
WORKFLOW = GITHUB / "workflows" / "ci.yml"
UPDATES = GITHUB / "dependabot.yml"
FORMS = GITHUB / "ISSUE_TEMPLATE"

SCHEMAS = [
    (WORKFLOW, "vendor.github-workflows"),
    (WORKFLOW, "custom.github-workflows-require-timeout"),
    (UPDATES, "vendor.dependabot"),
    (FORMS / "bug.yml", "vendor.github-issue-forms"),
    (FORMS / "idea.yml", "vendor.github-issue-forms"),
    (FORMS / "config.yml", "vendor.github-issue-config"),
]

ECOSYSTEMS = {
    "requirements*.txt": "pip",
    "package-lock.json": "npm",
    "Dockerfile": "docker",
    "compose.yaml": "docker-compose",
}
"""Which of the update bot's ecosystems reads a file, by the file's name."""


def read(file: Path) -> dict[str, Any]:
    """A YAML file; PyYAML follows YAML 1.1, in which a workflow's `on` is the key True."""
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def steps() -> list[dict[str, Any]]:
    return [step for job in read(WORKFLOW)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize(("file", "schema"), SCHEMAS, ids=[schema for _, schema in SCHEMAS])
def test_a_file_keeps_the_schema_of_its_kind(file: Path, schema: str) -> None:
    done = subprocess.run(
        [PROGRAMS / "check-jsonschema", "--builtin-schema", schema, file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_file_for_the_host_has_a_schema() -> None:
    assert set(GITHUB.rglob("*.yml")) == {file for file, _ in SCHEMAS}


def test_the_workflow_calls_what_must_pass_before_a_change_lands() -> None:
    (command,) = [step["run"] for step in steps() if "run" in step]
    program = command.split()[-1]
    assert program == ".ci/run"
    assert (ROOT / program).stat().st_mode & 0o100, "it can be executed"


def test_the_workflow_begins_with_the_oldest_python_that_the_package_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (job,) = read(WORKFLOW)["jobs"].values()
    oldest, *_ = job["strategy"]["matrix"]["python"]
    assert project["requires-python"] == f">={oldest}"


def test_the_workflow_may_only_read_and_takes_actions_by_commit() -> None:
    """A tag can be moved to another commit, and what runs here is then somebody else's choice."""
    assert read(WORKFLOW)["permissions"] == {"contents": "read"}
    text = WORKFLOW.read_text()
    actions = re.findall(r"uses: (.*)", text)
    assert actions
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", it) for it in actions)
    assert "secrets." not in text


def test_each_pre_commit_hook_is_a_local_command_of_make_check() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "check"],  # noqa: S607 - the make of whoever runs the tests
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    (repository,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    commands = {hook["entry"] for hook in repository["hooks"]}
    assert commands
    assert commands <= set(done.stdout.splitlines())


def test_the_update_bot_knows_every_lock_and_image() -> None:
    watched = {
        (entry["package-ecosystem"], directory)
        for entry in read(UPDATES)["updates"]
        for directory in entry.get("directories", [entry.get("directory")])
    }
    needed = {
        (ecosystem, f"/{folder}" if (folder := str(file.parent)) != "." else "/")
        for file in tracked()
        for name, ecosystem in ECOSYSTEMS.items()
        if file.match(name)
    }
    assert needed | {("github-actions", "/")} <= watched


def tracked() -> list[PurePosixPath]:
    """The files of the repository, without those that git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - the git that made this checkout
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [PurePosixPath(line) for line in listed.splitlines()]


def test_editors_are_told_the_line_length_that_ruff_holds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    length = project["tool"]["ruff"]["line-length"]
    assert f"max_line_length = {length}\n" in (ROOT / ".editorconfig").read_text()
