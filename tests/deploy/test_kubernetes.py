"""The manifests: valid by Kubernetes' schemas, and true of the service and of each other."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it has no types of its own
import pytest
import yaml

from support.deployment import (
    GIVEN,
    IMAGE,
    KUBERNETES,
    LONGEST_STOP,
    config_map,
    kustomization,
    manifest,
    manifests,
    pods,
    settings_from,
)
from support.haproxy import CONFIG
from support.machine import ROOT
from taskapi.app import create_app
from taskapi.embedded.database import SERVICE_ROLE
from taskapi.operations import readiness

KUBERNETES_VERSION = kubernetes_validate.latest_version()


@pytest.mark.parametrize("it", list(manifests()), ids=lambda it: it["kind"])
def test_every_manifest_is_valid(it: dict[str, Any]) -> None:
    kubernetes_validate.validate(it, KUBERNETES_VERSION, strict=True)


def test_the_ingress_of_the_page_is_valid_and_passes_what_haproxy_passes() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    (text,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    ingress = yaml.safe_load(text)
    kubernetes_validate.validate(ingress, KUBERNETES_VERSION, strict=True)
    (rule,) = ingress["spec"]["rules"]
    (port,) = manifest("Service")["spec"]["ports"]
    backend = {"service": {"name": "taskapi", "port": {"name": port["name"]}}}
    assert all(it["backend"] == backend for it in rule["http"]["paths"])
    paths = {it["path"]: it["pathType"] for it in rule["http"]["paths"]}
    exact = " ".join(re.findall(r"acl (?:page|agent) path (.+)", CONFIG.read_text())).split()
    assets = {path for path in exact if path.startswith("/docs/assets/")}
    assert paths == dict.fromkeys({*exact} - assets, "Exact") | {
        "/api": "Prefix",
        "/docs/assets": "Prefix",
    }


def test_a_wrong_manifest_would_be_noticed() -> None:
    wrong = manifest("Deployment")
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES_VERSION, strict=True)


@pytest.mark.parametrize("component", ["api", "migration"])
def test_pods_keep_the_strictest_rules(component: str) -> None:
    """Those of the namespace's label, and a file system that cannot be written to."""
    pod = pods()[component]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,  # no number: OpenShift refuses those that it has not assigned
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert IMAGE["USER"].partition(":")[0].isdigit(), "Kubernetes can tell that it is not root"
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not pod["automountServiceAccountToken"]
    assert {"cpu", "memory"} == container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]


def test_the_service_gets_settings_that_it_takes() -> None:
    (container,) = pods()["api"]["containers"]
    known = config_map() | config_map("taskapi-users")
    secret = {it["name"]: "postgresql://u:p@ep-x-pooler.neon.tech/db" for it in container["env"]}
    settings = settings_from(known | secret)
    assert settings.api_port == container["ports"][0]["containerPort"] == int(IMAGE["EXPOSE"])
    create_app(settings)


def test_migrations_get_the_same_settings_and_an_address_of_their_own() -> None:
    api, migration = (pods()[name]["containers"][0] for name in ("api", "migration"))
    assert [it["configMapRef"]["name"] for it in api["envFrom"]] == ["taskapi", "taskapi-users"]
    assert migration["envFrom"] == api["envFrom"][1:]
    assert config_map("taskapi-users").keys() == {
        "USER_ID_TYPE",
        "USERS_TABLE",
        "CREATE_UNKNOWN_USERS",
    }
    assert api["image"] == migration["image"]
    assert migration["args"] == ["migrate", "--grant", SERVICE_ROLE]
    keys = [it["env"][0]["valueFrom"]["secretKeyRef"]["key"] for it in (api, migration)]
    assert keys == ["DATABASE_URL", "MIGRATION_DATABASE_URL"]


def test_probes_ask_what_there_is_and_wait_long_enough() -> None:
    (container,) = pods()["api"]["containers"]
    paths = {path for path, _ in _routes()}
    asked = {
        name: container[name]["httpGet"]["path"]
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert set(asked.values()) <= paths
    assert asked["readinessProbe"] == "/readyz"
    assert asked["livenessProbe"] == "/livez", "a database that is away is no reason to start anew"
    assert container["readinessProbe"]["timeoutSeconds"] > readiness.TIMEOUT_SECONDS


def _routes() -> Iterator[tuple[str, object]]:
    app = create_app(settings_from({"BETTER_AUTH_URL": GIVEN["BETTER_AUTH_URL"]}))
    for route in app.router.routes:
        yield getattr(route, "path", ""), route


def test_a_pod_that_stops_has_time_to() -> None:
    pod = pods()["api"]
    (command,) = (it["lifecycle"]["preStop"]["exec"]["command"] for it in pod["containers"])
    slept = re.search(r"sleep\((\d+)\)", command[-1])
    assert slept is not None
    assert pod["terminationGracePeriodSeconds"] > int(slept[1]) + LONGEST_STOP


def test_labels_lead_from_service_budget_scaler_and_policies_to_the_pods() -> None:
    label = manifest("Deployment")["spec"]["selector"]["matchLabels"]
    assert manifest("Service")["spec"]["selector"] == label
    assert manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == label
    assert manifest("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == label
    target = manifest("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", "taskapi")
    assert "replicas" not in manifest("Deployment")["spec"], "the scaler's business"


def test_the_fleet_at_its_largest_fits_into_the_pooler() -> None:
    """One more than the most, while it is replaced; Neon's pooler takes 10,000 clients."""
    most = manifest("HorizontalPodAutoscaler")["spec"]["maxReplicas"]
    surge = manifest("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    size = int(config_map()["DATABASE_POOL_SIZE"])
    assert (most + surge) * size <= 1000


def test_the_migration_is_named_for_its_version() -> None:
    """A Job cannot be changed, so a new version needs a new name."""
    (image,) = kustomization()["images"]
    name = f"taskapi-migration-{image['newTag'].replace('.', '-')}"
    assert manifest("Job", name)["kind"] == "Job"


def test_new_pods_may_wait_as_long_as_their_migration_takes() -> None:
    """And for 5 minutes after it, Kubernetes' longest pause between two starts."""
    (job,) = (it for it in manifests() if it["kind"] == "Job")
    deadline = manifest("Deployment")["spec"]["progressDeadlineSeconds"]
    assert deadline >= job["spec"]["activeDeadlineSeconds"] + 300


def test_no_policy_cuts_the_pods_off_from_ports_that_it_does_not_know() -> None:
    policies = [it["spec"] for it in manifests() if it["kind"] == "NetworkPolicy"]
    assert [it["policyTypes"] for it in policies] == [["Ingress"], ["Ingress"]]
    assert "ingress" not in policies[1], "nobody connects to a migration"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_a_changed_setting_replaces_the_pods_and_leaves_the_job_as_it_is(tmp_path: Path) -> None:
    """As kustomize itself renders it: a Job is immutable, so nothing in it may have a digest."""
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        shutil.copytree(KUBERNETES, folder)
    file = after / "kustomization.yaml"
    file.write_text(file.read_text().replace("USER_RATE=300", "USER_RATE=301"))
    first, second = rendered(before), rendered(after)
    assert first["Job"] == second["Job"]
    assert first["Deployment"] != second["Deployment"]
    (container,) = second["Deployment"]["spec"]["template"]["spec"]["containers"]
    name = container["envFrom"][0]["configMapRef"]["name"]
    assert second[f"ConfigMap {name}"]["data"] == config_map() | {"USER_RATE": "301"}
    for it in second.values():
        kubernetes_validate.validate(it, KUBERNETES_VERSION, strict=True)


def rendered(folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        ["kubectl", "kustomize", folder],  # noqa: S607 - the operator's
        capture_output=True,
        text=True,
        check=True,
    )
    found = list(yaml.safe_load_all(done.stdout))
    by_kind = {it["kind"]: it for it in found}
    return by_kind | {f"{it['kind']} {it['metadata']['name']}": it for it in found}
