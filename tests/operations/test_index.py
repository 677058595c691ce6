"""Index, health and metrics, none of which needs a token."""

import httpx

from support.people import Person


def test_the_index_leads_to_everything_else(http: httpx.Client) -> None:
    index = http.get("/").json()
    assert index["name"] == "taskapi"
    for name in ("live", "ready", "metrics", "documentation", "openapi"):
        assert http.get(index[name]).status_code == 200


def test_the_process_lives_and_is_ready(http: httpx.Client) -> None:
    assert http.get("/livez").json() == {"status": "alive"}
    assert http.get("/readyz").json() == {"status": "ready"}


def test_metrics_count_requests_by_route_and_not_by_address(alice: Person) -> None:
    alice.get(f"/{alice.create()['id']}")
    response = alice.http.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    label = 'method="GET",route="/api/{user_id}/tasks/{task_id}",status="200"'
    assert f"taskapi_requests_total{{{label}}}" in response.text
    assert alice.id not in response.text


def test_a_token_is_neither_needed_nor_looked_at(http: httpx.Client) -> None:
    for path in ("/", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json"):
        response = http.get(path, headers={"Authorization": "Bearer nonsense"})
        assert response.status_code == 200, path
        assert response.headers["X-Content-Type-Options"] == "nosniff"
