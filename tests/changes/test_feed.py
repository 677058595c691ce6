"""The feed in pages: what it tells, in which order, and what it costs."""

import httpx

from support.people import Person


def test_smoke(alice: Person) -> None:
    r = alice.get("/changes")
    print(r.status_code, r.text)
    t = alice.create()
    alice.create("two")
    since = r.json()["next"]
    r = alice.get(f"/changes?since={since}")
    print(r.text)
    since = r.json()["next"]
    alice.delete(f"/{t['id']}")
    r = alice.get(f"/changes?since={since}&limit=1")
    print(r.text)
    r = alice.get("/changes?limit=1", headers={"Prefer": "wait=1"})
    print(r.text, r.headers)
    r = alice.get(f"/changes?since={r.json()['next']}", headers={"Prefer": "wait=1"})
    print(r.text, r.headers)
    r = alice.get("/changes?since=nonsense")
    print(r.text)
    with alice.http.stream(
        "GET", alice.tasks + "/events", headers={"Authorization": f"Bearer {alice.token}"}
    ) as s:
        print(s.headers)
        it = s.iter_lines()
        for _ in range(6):
            print(next(it))
        alice.create("three")
        for _ in range(4):
            print(next(it))
    assert 0
