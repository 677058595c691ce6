"""The tables of docs/moving.md are true."""

import re

import pytest

from support.moving_page import TEXT
from support.people import Person
from taskapi import errors
from taskapi.transfer import checking, download, exporting, routes, schemas
from taskapi.transfer.formats.table import EXPORTS, IMPORTS


def rows(*columns: str) -> list[dict[str, str]]:
    """The rows of the page's table that has these first columns."""
    header = next(line for line in TEXT.splitlines() if line.startswith("| " + " | ".join(columns)))
    table = TEXT.partition(header + "\n")[2].partition("\n\n")[0].splitlines()[1:]
    names = cells(header)
    return [dict(zip(names, cells(line), strict=True)) for line in table]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


HELD = {row["`format=`"].strip("`"): row for row in rows("`format=`", "title")}
ENDS = {row["`format=`"].strip("`"): row["its end"] for row in rows("`format=`", "its end")}


def test_the_tables_have_every_format() -> None:
    assert set(HELD) == set(ENDS) == set(EXPORTS)
    named = {
        name for row in rows("you come from") for name in re.findall(r"`(\w+)`", row["`format=`"])
    }
    assert named == set(IMPORTS)


TITLE, DESCRIPTION = "=Buy\nmilk, \"now\"; 'later'", "One\r\ntwo\n\n#three\x0bfour"


@pytest.mark.parametrize("name", HELD)
def test_a_format_holds_what_the_table_says(alice: Person, bob: Person, name: str) -> None:
    made = alice.create(TITLE, DESCRIPTION)
    task = alice.patch(f"/{made['id']}/complete").json()
    alice.create("Call Mum")
    file = alice.get(f"/export?format={name}").content
    response = bob.post(f"/import?format={name}", content=file)
    assert response.json()["created"] == 2, response.text
    says, got = HELD[name], bob.get("?sort=created_at").json()["tasks"][0]
    assert got["title"] == {"yes": TITLE, "in one line": TITLE.replace("\n", " ")}[says["title"]]
    assert got["description"] == {"yes": DESCRIPTION, "no": ""}[says["description"]]
    assert (says["state"], says["`created_at`"]) == ("yes", "yes")
    assert (got["is_completed"], got["created_at"]) == (True, made["created_at"])
    updated, text = task["updated_at"], file.decode()
    second = re.sub("[-:]", "", updated[:19]) + "Z"
    forms = {"yes": updated, "to the second": second, "to the day, if done": f"x {updated[:10]} "}
    assert forms[says["`updated_at`"]] in text
    assert ("user_id" in text) == (name in {"jsonl", "csv"})


@pytest.mark.parametrize("name", ENDS)
def test_a_file_ends_as_the_table_says(alice: Person, name: str) -> None:
    alice.create("Buy milk")
    last = alice.get(f"/export?format={name}").text[-300:]
    shown = re.findall(r"`(.*?)`", ENDS[name])[0]
    assert re.search(re.escape(shown).replace("…", r"[\w-]+"), last), last


def test_the_errors_are_those_of_the_service(alice: Person) -> None:
    kinds = {(str(int(kind.status)), kind.code) for kind in all_errors(errors.ApiError)}
    kinds |= {("422", "validation_failed")}
    path = alice.http.get("/openapi.json").json()["paths"]["/api/{user_id}/tasks/import"]
    for row in rows("status", "`code`"):
        assert (row["status"], re.findall(r"`(.*?)`", row["`code`"])[0]) in kinds
        assert row["status"] in path["post"]["responses"]


def all_errors(kind: type[errors.ApiError]) -> list[type[errors.ApiError]]:
    return [
        each
        for sub in kind.__subclasses__()
        for each in (sub, *all_errors(sub))
        if "code" in vars(each)
    ]


def test_the_limits_are_those_of_the_service() -> None:
    assert routes.MAX_IMPORT_BYTES == 10 * 1024**2
    assert f"more than {checking.MAX_TASKS:,} tasks" in TEXT
    assert exporting.MAX_EXPORT_BYTES == 1024**3
    assert f"up to {checking.MAX_REFUSALS} records" in TEXT
    assert f"more than {routes.IMPORT_SECONDS:.0f} seconds" in TEXT
    assert (routes.places.max_per_user, download.places.max_per_user) == (1, 2)
    assert f"an export weighs {schemas.EXPORT_WEIGHT}" in TEXT
    assert f"1 for each {schemas.IMPORTED_BYTES_PER_WEIGHT // 1024} KiB" in TEXT
