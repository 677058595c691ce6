"""The TypeScript client: its own tests with Node, its page, and what is packed of it."""

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import taskapi
from support.machine import PROGRAMS, ROOT
from support.own_database import own_database
from support.people import SECRET, Person
from support.service import as_service, prepare
from support.typescript_client import PACKAGE, QUIET, built, install, run, tool
from support.typescript_readme import FILES, TEXT
from support.typescript_readme import PROGRAMS as EXAMPLES
from support.waiting import PATIENCE
from taskapi.database.url import DatabaseUrl

TESTS = sorted(file.name for file in (PACKAGE / "test").glob("*.test.mjs"))

MAX_BYTES = {"@taskapi/client": 8_000, "@taskapi/client/queue": 4_000}
"""Of an entry point, minified and compressed; of one that is not named, 1500."""

OWN_CODES = {"network", "signed_out", "not_a_response_of_the_api", "storage"}


@pytest.fixture(scope="module")
def own(database: DatabaseUrl) -> Iterator[DatabaseUrl]:
    """A database whose epoch may end."""
    with own_database(database) as own:
        prepare(own.address)
        yield as_service(own.address)


def test_it_does_what_its_tests_say(service: str, own: DatabaseUrl) -> None:
    """A line for each is in clients/typescript/test. Most of the time they wait, all at once."""
    environment = QUIET | {
        "TASKAPI": str(PROGRAMS / "taskapi"),
        "TASKAPI_URL": service,
        "TASKAPI_SECRET": SECRET,
        "DATABASE_URL": own.dsn,
    }
    files = [built() / "test" / name for name in TESTS]
    command = ("--test", f"--test-concurrency={len(files)}", *files)
    run(*command, environment=environment, within=PATIENCE * len(files))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_its_page_says(
    service: str, alice: Person, tmp_path: Path, name: str
) -> None:
    for file, code in FILES.items():
        (tmp_path / file).write_text(code)
    install(tmp_path)
    environment = QUIET | {"TASKAPI_URL": service, "TASKAPI_TOKEN": alice.token}
    assert run(name, folder=tmp_path, environment=environment) == EXAMPLES[name]


def test_every_example_of_the_page_is_run() -> None:
    """But the one with Better Auth, which tests/better_auth has."""
    assert (TEXT.count("```js"), TEXT.count("```text")) == (len(FILES), len(EXAMPLES))
    assert FILES.keys() - EXAMPLES.keys() == {"tasks.mjs", "with-better-auth.mjs"}


def test_the_types_are_those_of_the_document(tmp_path: Path) -> None:
    run("scripts/types.mjs", tmp_path / "wire.ts")
    made, kept = ((folder / "wire.ts").read_text() for folder in (tmp_path, PACKAGE / "src"))
    assert made == kept, "npm run types --prefix clients/typescript"


def test_it_is_small(capsys: pytest.CaptureFixture[str]) -> None:
    built()
    printed = run("scripts/size.mjs")
    with capsys.disabled():
        print(f"\n{printed}", end="")  # noqa: T201 - figures for their readers
    sizes = {name: int(size) for name, size in map(str.split, printed.splitlines())}
    assert sizes.keys() >= MAX_BYTES.keys()
    assert {name for name, size in sizes.items() if size > MAX_BYTES.get(name, 1_500)} == set()


def test_it_has_the_version_and_the_licence_of_the_service() -> None:
    manifest = json.loads((PACKAGE / "package.json").read_text())
    assert manifest["version"] == taskapi.__version__
    assert (PACKAGE / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


APPLICATION = """\
import { Conflict, createTasks, type ErrorCode, type Task, TasksError } from "@taskapi/client";

declare const error: unknown;
export const tasks = createTasks({ url: "/", auth: { token: async () => null } });
export const titles = async (): Promise<string[]> =>
  (await tasks.list({ sort: "title" }).page()).tasks.map((task: Task) => task.title);
if (error instanceof Conflict) await error.overwrite({ title: error.merged.title });
// @ts-expect-error - there is no such field
tasks.update(1, { titel: "x" });
// @ts-expect-error - no error has this code
if (error instanceof TasksError && error.code === "no_such_code") throw error;
export const codes: Record<ErrorCode, true> = %s;
"""


def test_a_new_project_can_use_what_is_packed(tmp_path: Path) -> None:
    """And `ErrorCode` has every code of the document, and those of the client."""
    built()
    npm = shutil.which("npm")
    assert npm is not None
    environment = QUIET | {"HOME": str(tmp_path), "npm_config_update_notifier": "false"}
    packing = ("pack", "--json", f"--pack-destination={tmp_path}")
    [described] = json.loads(run(npm, *packing, environment=environment))
    names = {file["path"] for file in described["files"]}
    sources = {file.stem for file in (PACKAGE / "src").glob("*.ts")}
    made = {f"dist/{name}.{end}" for name in sources for end in ("js", "d.ts")}
    assert names == {"LICENSE", "README.md", "package.json", *made}

    installed = tmp_path / "node_modules" / "@taskapi" / "client"
    with tarfile.open(tmp_path / described["filename"]) as archive:
        archive.extractall(tmp_path, filter="data")
    installed.parent.mkdir(parents=True)
    (tmp_path / "package").rename(installed)
    document = json.loads((ROOT / "openapi.json").read_text())
    codes = OWN_CODES | set(document["components"]["schemas"]["ErrorCode"]["enum"])
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "main.ts").write_text(APPLICATION % json.dumps(dict.fromkeys(sorted(codes), True)))
    for module, resolution in (("nodenext", "nodenext"), ("esnext", "bundler")):
        options = (
            "--strict",
            "--noEmit",
            "--skipLibCheck",
            "--target",
            "es2022",
            "--lib",
            "es2022,dom",
        )
        how = ("--module", module, "--moduleResolution", resolution)
        run(tool("tsc"), *options, *how, "main.ts", folder=tmp_path)
