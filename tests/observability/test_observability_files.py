"""The dashboard and the alerts ask for what there is: every name and label is one of `/metrics`."""

import json
import re
import shutil
import subprocess

import httpx
import pytest

from support.machine import ROOT
from support.metrics import figures, labels
from support.people import Person
from support.questions import ALERTS, DASHBOARD, QUESTIONS, rules

DOCUMENT = ROOT / "docs/observability.md"

OF_PROMETHEUS = {"job", "instance", "alertname", "alertstate"}
"""Labels that Prometheus itself adds."""

STRING = re.compile(r'"[^"]*"')
METRIC = re.compile(r"\b(?:taskapi|process)_\w+")
SELECTOR = re.compile(r"\b((?:taskapi|process)_\w+)\{([^}]*)\}")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
GROUPING = re.compile(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)")


@pytest.fixture(scope="module")
def known(http: httpx.Client) -> dict[str, set[str]]:
    """Each name that `/metrics` gives, and the labels that come with it."""
    assert http.get("/livez").status_code == 200  # so that requests have been counted
    return labels(figures(http))


@pytest.mark.parametrize(
    "question",
    [expr for _, expr in QUESTIONS],
    ids=[f"{name}-{i}" for i, (name, _) in enumerate(QUESTIONS)],
)
def test_a_question_has_an_answer(question: str, known: dict[str, set[str]]) -> None:
    bare = STRING.sub('""', question)
    names = set(METRIC.findall(bare))
    assert names or "up{" in question
    assert names <= known.keys()
    for name, matchers in SELECTOR.findall(bare):
        assert set(LABEL.findall(matchers)) <= known[name] | OF_PROMETHEUS
    together = set().union(*(known[name] for name in names))
    for grouped in GROUPING.findall(bare):
        assert {label.strip() for label in grouped.split(",")} <= together | OF_PROMETHEUS


def test_every_metric_of_ours_is_asked_for_and_explained(known: dict[str, set[str]]) -> None:
    asked = {name for _, expr in QUESTIONS for name in METRIC.findall(expr)}
    document = DOCUMENT.read_text()
    for name in (name for name in known if name.startswith("taskapi_")):
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        assert any(other.startswith(family) for other in asked), name
        assert f"`{family}`" in document, name


@pytest.mark.parametrize("alert", [rule["alert"] for rule in rules()])
def test_an_alert_is_explained(alert: str) -> None:
    """Under a heading of its own: what it means, and what to do."""
    section = DOCUMENT.read_text().partition(f"\n### {alert}\n")[2].partition("\n#")[0]
    assert "**Means**" in section
    assert "**Do**" in section


def test_the_dashboard_places_no_panel_on_another() -> None:
    taken = set()
    found = json.loads(DASHBOARD.read_text())["panels"]
    for place in (panel["gridPos"] for panel in found):
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken
                assert x < 24
                taken.add((x, y))
    assert len({panel["id"] for panel in found}) == len(found)


promtool = shutil.which("promtool")


@pytest.mark.skipif(promtool is None, reason="promtool (Debian's package prometheus) is not here")
@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_takes_the_files(command: tuple[str, ...]) -> None:
    """And fires each alert for what it is for, and none when all is well."""
    done = subprocess.run(
        [str(promtool), *command],
        cwd=ALERTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(promtool is None, reason="promtool (Debian's package prometheus) is not here")
def test_prometheus_takes_what_the_service_says(alice: Person) -> None:
    alice.create()
    done = subprocess.run(
        [str(promtool), "check", "metrics"],
        input=alice.http.get("/metrics").text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
