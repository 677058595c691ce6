"""What an export has, and what it does to others."""

import json

from support.people import Person


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_export_has_every_task_and_its_end(alice: Person) -> None:
    tasks = [alice.create(f"Task {number}", "a\nb") for number in range(3)]
    response = alice.get("/export?format=jsonl")
    assert response.status_code == 200, response.text
    print(response.headers)
    *found, end = lines(response.text)
    assert found == tasks
    assert end["end"]["tasks"] == 3


def test_import_what_was_exported(alice: Person, bob: Person) -> None:
    tasks = [alice.create(f"Task {number}", "a\nb") for number in range(3)]
    file = alice.get("/export?format=jsonl").content
    r = bob.post("/import?format=jsonl&dry_run=true", content=file)
    print(r.status_code, r.text)
    r = bob.post("/import?format=jsonl", content=file)
    print(r.status_code, r.text)
    r = bob.post("/import?format=jsonl", content=file)
    print(r.status_code, r.text)
    r = alice.post("/import?format=jsonl", content=file)
    print(r.status_code, r.text)
    theirs = [(t["title"], t["created_at"]) for t in bob.get("?sort=created_at").json()["tasks"]]
    assert theirs == [(t["title"], t["created_at"]) for t in tasks]
    bob.delete(f"/{bob.get().json()['tasks'][0]['id']}")
    r = bob.post("/import?format=jsonl", content=file)
    print(r.status_code, r.text)
    r = bob.post("/import?format=jsonl", content=file)
    print(r.status_code, r.text)
    print(bob.get("/changes").text)
    r = bob.post("/import?format=jsonl", content=file[:-20])
    print(r.status_code, r.text)
    assert 0
