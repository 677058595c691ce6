"""A real Prometheus scrapes the service, and answers what dashboard and alerts ask."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.machine import free_ports
from support.people import Person
from support.questions import ALERTS, QUESTIONS
from support.waiting import PATIENCE, eventually

program = shutil.which("prometheus")

pytestmark = pytest.mark.skipif(
    program is None, reason="prometheus (Debian's package of that name) is not here"
)

MAY_BE_EMPTY = re.compile(r" > |== 0|wait_seconds|5\.\.")
"""Alerts that do not fire, and what did not happen: nobody waited, nothing failed."""


@pytest.fixture(scope="module")
def prometheus(service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Prometheus with our rules, which scrapes the service of the tests."""
    folder = tmp_path_factory.mktemp("prometheus")
    address = f"127.0.0.1:{free_ports(1)[0]}"
    scrape = {
        "job_name": "taskapi",
        "static_configs": [{"targets": [service.removeprefix("http://")]}],
    }
    every_second = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration = {
        "global": every_second, "rule_files": [str(ALERTS)], "scrape_configs": [scrape]
    }  # fmt: skip
    (folder / "prometheus.yml").write_text(json.dumps(configuration))  # JSON is YAML
    command = [
        str(program),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
    ]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    try:
        with httpx.Client(base_url=f"http://{address}/api/v1", timeout=PATIENCE) as http:
            yield http
    finally:
        process.terminate()
        process.wait(PATIENCE)


def asked(prometheus: httpx.Client, question: str) -> list[Any]:
    """What Prometheus answers; nothing while it starts."""
    try:
        response = prometheus.get("/query", params={"query": question})
    except httpx.ConnectError:
        return []
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return []
    assert response.status_code == 200, response.text
    found: list[Any] = response.json()["data"]["result"]
    return found


def test_every_question_is_answered(prometheus: httpx.Client, alice: Person) -> None:
    eventually(lambda: asked(prometheus, 'up{job="taskapi"} == 1'), "it was scraped")

    def requests() -> list[Any]:
        alice.create()
        return asked(prometheus, 'sum(rate(taskapi_requests_total{method="POST"}[1m])) > 0')

    eventually(requests, "requests were counted")
    for name, question in QUESTIONS:
        concrete = question.replace("$__rate_interval", "1m").replace("$instance", ".*")
        found = asked(prometheus, concrete)
        assert found or MAY_BE_EMPTY.search(question), f"{name}: {concrete}"
    rules = prometheus.get("/rules").json()["data"]["groups"][0]["rules"]
    assert [rule["name"] for rule in rules if rule["health"] == "err"] == []
