"""The TypeScript client with Better Auth, whose tokens live for seconds here."""

from pathlib import Path

import pytest

from support.auth_server import SERVER, node
from support.auth_stage import Stage
from support.typescript_client import QUIET, built, run, tool
from support.typescript_readme import FILES

PROGRAM = "typescript-client.test.mjs"
ADDRESS = "https://api.example.com"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with both clients installed."""
    node()
    packages = tmp_path / "node_modules"
    packages.mkdir()
    for package in ("better-auth", "@better-auth", "@better-fetch", "@standard-schema"):
        (packages / package).symlink_to(SERVER / "node_modules" / package)
    (packages / "@taskapi").mkdir()
    (packages / "@taskapi" / "client").symlink_to(built())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    return tmp_path


@pytest.mark.parametrize("stage", ["short tokens"], indirect=True)
def test_the_client_with_better_auths_own(stage: Stage, folder: Path) -> None:
    """The README's code, with the service's address. A line for each test is in the program."""
    address = str(stage.http.base_url).rstrip("/")
    client = folder / "with-better-auth.mjs"
    client.write_text(FILES[client.name].replace(ADDRESS, address))
    (folder / PROGRAM).write_text((SERVER / "browser" / PROGRAM).read_text())
    environment = QUIET | {"BETTER_AUTH_URL": stage.auth.url, "CLIENT": str(client)}
    run("--test", "--test-reporter=tap", PROGRAM, folder=folder, environment=environment)


def test_better_auths_types_fit(folder: Path) -> None:
    (folder / "main.ts").write_text(FILES["with-better-auth.mjs"])
    options = ("--strict", "--noEmit", "--skipLibCheck", "--target", "es2022")
    how = ("--module", "esnext", "--moduleResolution", "bundler")
    run(tool("tsc"), *options, *how, "main.ts", folder=folder)
