"""`taskapi token`, `taskapi openapi`, and what `taskapi serve` prints first."""

import json
import re
from pathlib import Path

import httpx
import pytest

from support.people import SECRET, Person
from support.programs import Service, run
from taskapi.cli import print_banner
from taskapi.config import Settings
from taskapi.database.url import DatabaseUrl

OPERATORS = {"BETTER_AUTH_SECRET": SECRET}


def test_a_token_for_development_is_one_of_the_service_in_the_same_folder(
    development: tuple[Service, Person],
) -> None:
    service, alice = development
    printed = run("taskapi", "token", "--user-id", "7", folder=service.folder)
    assert printed.returncode == 0
    bob = Person("7", printed.stdout.strip(), alice.http)
    task = bob.create()
    assert alice.get(f"/{task['id']}").status_code == 404
    assert (service.folder / ".taskapi" / "secret").stat().st_mode & 0o777 == 0o600


def test_a_token_is_signed_with_the_operators_secret_only_when_told_so(
    tmp_path: Path, http: httpx.Client
) -> None:
    command = ("taskapi", "token", "--user-id", "7")
    refused = run(*command, folder=tmp_path, settings=OPERATORS)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "--sign-with-secret" in refused.stderr
    printed = run(*command, "--sign-with-secret", folder=tmp_path, settings=OPERATORS)
    assert Person("7", printed.stdout.strip(), http).get().status_code == 200


def test_no_token_is_made_where_only_the_auth_server_signs(tmp_path: Path) -> None:
    settings = {
        "DATABASE_URL": "postgresql://db/tasks",
        "BETTER_AUTH_URL": "https://auth.example.com",
    }
    refused = run("taskapi", "token", "--user-id", "7", folder=tmp_path, settings=settings)
    assert refused.returncode == 1
    assert "no secret" in refused.stderr


def test_a_token_of_somebody_who_cannot_be_is_not_made(tmp_path: Path) -> None:
    refused = run("taskapi", "token", "--user-id", "alice", folder=tmp_path)
    assert refused.returncode == 1
    assert "not an integer id" in refused.stderr


def test_the_printed_openapi_document_is_the_served_one(tmp_path: Path, http: httpx.Client) -> None:
    printed = run("taskapi", "openapi", folder=tmp_path)
    assert json.loads(printed.stdout) == http.get("/openapi.json").json()


def test_printing_the_document_makes_nothing_and_needs_no_auth_server(tmp_path: Path) -> None:
    """The document is of the code, and only `USER_ID_TYPE` and `PUBLIC_URL` change it."""
    settings = {
        "DATABASE_URL": "postgresql://db/tasks",
        "PUBLIC_URL": "https://example.com/tasks/",
        "USER_ID_TYPE": "text",
    }
    for chosen, server in (({}, "."), (settings, "https://example.com/tasks")):
        printed = run("taskapi", "openapi", folder=tmp_path, settings=chosen)
        assert json.loads(printed.stdout)["servers"] == [{"url": server}]
    assert list(tmp_path.iterdir()) == []


def test_the_banner_leads_to_the_docs_where_clients_find_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = "postgresql://db/tasks"
    settings = Settings.model_validate(
        {"database_url": url, "better_auth_secret": SECRET, "public_url": "https://example.com/t"}
    )
    print_banner(settings, DatabaseUrl(url, pooler=False), 8000)
    assert re.search(r"docs +https://example\.com/t/docs\n", capsys.readouterr().out)
