"""The deployment's files: valid by their schemas, and true of the service and of each other."""

import configparser
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it has no types of its own
import pytest
import yaml

from support.haproxy import CONFIG, program
from support.image import instructions
from support.machine import PROGRAMS, ROOT
from support.other_postgres import running, wheel
from support.people import Person, token_for
from support.rows import execute
from support.service import client_for, prepare, settings_for
from taskapi.app import create_app
from taskapi.changes.waiting import MAX_WAIT_SECONDS
from taskapi.config import Settings
from taskapi.database.url import DatabaseUrl
from taskapi.embedded.database import SERVICE_ROLE
from taskapi.operations import readiness
from taskapi.server.drain import DRAIN_SECONDS
from taskapi.server.process import GRACE_SECONDS

DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
KUBERNETES = DEPLOY / "kubernetes"

PORT = Settings.model_fields["api_port"].default
REQUEST_TIMEOUT = Settings.model_fields["request_timeout"].default
LONGEST_STOP = DRAIN_SECONDS + REQUEST_TIMEOUT + GRACE_SECONDS
IMAGE = dict(instructions((ROOT / "Dockerfile").read_text()))

KUBERNETES_VERSION = kubernetes_validate.latest_version()

GIVEN = {
    "POSTGRES_PASSWORD": "secret",
    "OWNER_PASSWORD": "secret",
    "SERVICE_PASSWORD": "secret",
    "BETTER_AUTH_URL": "https://app.example.com",
}
"""What compose.yaml takes from outside."""

OPTIONAL = {
    "BETTER_AUTH_JWKS_URL": "http://host.docker.internal:3000/api/auth/jwks",
    "CORS_ORIGINS": "https://app.example.com",
    "PUBLIC_URL": "https://tasks.example.com",
}
"""What it takes if it is there, for example."""

FIXED = {"DATABASE_URL", "API_HOST", "API_PORT"}
"""Settings that the files choose."""


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of compose.yaml."""
    return services_with(GIVEN | OPTIONAL)


def services_with(given: Mapping[str, str]) -> dict[str, Any]:
    def filled_in(variable: re.Match[str]) -> str:
        name, default = variable.groups()
        return given[name] if default is None else given.get(name) or default

    text = re.sub(r"\$\{(\w+)(?::\?|:-([^}]*))\}", filled_in, COMPOSE.read_text())
    found: dict[str, Any] = yaml.safe_load(text)["services"]
    return found


def kustomization() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    return found


def manifests() -> Iterator[dict[str, Any]]:
    listed = kustomization()["resources"]
    assert {*listed, "kustomization.yaml"} == {file.name for file in KUBERNETES.iterdir()}
    for name in listed:
        yield from yaml.safe_load_all((KUBERNETES / name).read_text())


def config_map(name: str = "taskapi") -> dict[str, str]:
    """What kustomize makes of the literals."""
    (found,) = (it for it in kustomization()["configMapGenerator"] if it["name"] == name)
    return dict(literal.split("=", maxsplit=1) for literal in found["literals"])


def manifest(kind: str, name: str = "taskapi") -> dict[str, Any]:
    (found,) = (it for it in manifests() if it["kind"] == kind and it["metadata"]["name"] == name)
    return found


def pods() -> dict[str, dict[str, Any]]:
    """The pods' specifications, by what they do."""
    owners = [it for it in manifests() if it["kind"] in {"Deployment", "Job"}]
    templates = [owner["spec"]["template"] for owner in owners]
    label = "app.kubernetes.io/component"
    return {it["metadata"]["labels"][label]: it["spec"] for it in templates}


def settings_from(environment: dict[str, str]) -> Settings:
    """What the service makes of these variables, all of which it must know.

    An empty one is its default.
    """
    names = {name.lower(): value for name, value in environment.items()}
    assert names.keys() <= Settings.model_fields.keys()
    return Settings.model_validate({name: value for name, value in names.items() if value})


# --- compose ---


def test_compose_keeps_the_compose_specification() -> None:
    done = subprocess.run(
        [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_compose_takes_secrets_from_outside_only() -> None:
    taken = dict(re.findall(r"\$\{(\w+)(:\?|:-)", COMPOSE.read_text()))
    assert {name for name, mark in taken.items() if mark == ":?"} == GIVEN.keys()
    assert "PASSWORD" not in "".join(name for name, mark in taken.items() if mark == ":-")


def test_compose_gives_the_service_settings_that_it_takes(services: dict[str, Any]) -> None:
    settings = settings_from(services["taskapi"]["environment"])
    assert settings.host == "0.0.0.0", "reached from other containers"  # noqa: S104 - a container
    assert settings.public_url == OPTIONAL["PUBLIC_URL"]
    assert settings.cors_origins == (OPTIONAL["CORS_ORIGINS"],)
    create_app(settings)


def test_compose_passes_every_setting_on(services: dict[str, Any]) -> None:
    """Each one as it is given, and as its default where it is not."""
    values = {
        name.upper(): str(10 + number) for number, name in enumerate(Settings.model_fields)
    } | GIVEN
    passed = services_with(values)["taskapi"]["environment"]
    names = {name.upper() for name in Settings.model_fields}
    assert passed.keys() == names - (FIXED - {"DATABASE_URL"})
    assert {name: str(passed[name]) for name in names - FIXED} == {
        name: values[name] for name in names - FIXED
    }
    settings_from(services_with(GIVEN)["taskapi"]["environment"])


def test_tokens_are_those_of_the_public_url_wherever_the_keys_are(
    services: dict[str, Any],
) -> None:
    """What containers reach under another URL is no issuer: Better Auth writes the public one."""
    settings = settings_from(services["taskapi"]["environment"])
    assert settings.issuer == settings.audience == GIVEN["BETTER_AUTH_URL"]
    assert settings.key_set_url == OPTIONAL["BETTER_AUTH_JWKS_URL"]
    assert services["taskapi"]["extra_hosts"] == ["host.docker.internal:host-gateway"]


def test_compose_pins_images_and_limits_what_each_may_use(services: dict[str, Any]) -> None:
    for name, it in services.items():
        version = it["image"].partition(":")[2]
        assert re.match(r"v?\d+\.\d+(\.\d+)?\b", version) or "build" in it, name
        limits = {"memory"} if name == "postgres" else {"memory", "cpus"}
        assert it["deploy"]["resources"]["limits"].keys() == limits, name
        assert it["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert it["security_opt"] == ["no-new-privileges:true"], name


def test_the_pooler_has_no_published_flaw_that_its_configuration_opens(
    services: dict[str, Any],
) -> None:
    """Newer than 1.24.1; and CVE-2026-107348 to 107350 need what is not there."""
    version = re.search(r":v(\d+)\.(\d+)\.", services["pgbouncer"]["image"])
    assert version is not None
    assert tuple(map(int, version.groups())) >= (1, 26)
    text = (DEPLOY / "pgbouncer.ini").read_text()
    assert not re.search(r"(?m)^(ignore_startup_parameters|max_packet_size|auth_query)", text)


def test_compose_migrates_the_server_itself_and_serves_through_the_pooler(
    services: dict[str, Any],
) -> None:
    for name, role, port in (
        ("migrate", "taskapi", "postgres:5432"),
        ("taskapi", SERVICE_ROLE, "pgbouncer:6432"),
        ("pgbouncer", SERVICE_ROLE, "postgres:5432"),
    ):
        url = services[name]["environment"]["DATABASE_URL"]
        assert url == f"postgresql://{role}:secret@{port}/taskapi"
    assert services["postgres"]["environment"]["POSTGRES_USER"] not in {"taskapi", SERVICE_ROLE}
    assert services["migrate"]["command"] == ["migrate", "--grant", SERVICE_ROLE]
    users = ("USER_ID_TYPE", "USERS_TABLE")
    same = [[services[name]["environment"][it] for it in users] for name in ("migrate", "taskapi")]
    assert same[0] == same[1]
    waits = services["taskapi"]["depends_on"]["migrate"]["condition"]
    assert waits == "service_completed_successfully"


def test_compose_runs_the_image_as_it_is_meant_to(services: dict[str, Any]) -> None:
    for name in ("migrate", "taskapi"):
        it = services[name]
        assert it["read_only"]
        assert it["cap_drop"] == ["ALL"]
        assert "user" not in it, "the image's own is nobody in particular"
    assert _seconds(services["taskapi"]["stop_grace_period"]) > LONGEST_STOP


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def test_only_the_balancer_is_reached_from_outside(services: dict[str, Any]) -> None:
    assert [name for name, it in services.items() if "ports" in it] == ["balancer"]
    assert "database" not in services["balancer"]["networks"]
    (port,) = services["balancer"]["ports"]
    assert f"bind :{port.rpartition(':')[2]}" in CONFIG.read_text()


def test_the_poolers_figures_fit_the_services(services: dict[str, Any]) -> None:
    parser = configparser.ConfigParser(delimiters="=", comment_prefixes=";")
    parser.read(DEPLOY / "pgbouncer.ini")
    pooler, service = parser["pgbouncer"], services["taskapi"]
    assert pooler["pool_mode"] == "transaction"
    assert int(pooler["query_wait_timeout"]) > REQUEST_TIMEOUT
    address = service["environment"]["DATABASE_URL"]
    assert f":{pooler['listen_port']}/" in address
    assert DatabaseUrl.parse(address).pooler is None, "found out by asking"
    size = int(service["environment"]["DATABASE_POOL_SIZE"])
    replicas = re.search(r"server-template replica (\d+)", CONFIG.read_text())
    assert replicas is not None
    assert int(pooler["max_client_conn"]) >= 2 * size * int(replicas[1])


def test_compose_creates_an_owner_and_a_role_that_owns_nothing() -> None:
    with running(wheel(), "postgres") as server:
        subprocess.run(
            ["/bin/sh", DEPLOY / "postgres-roles.sh"],
            check=True,
            env={
                "PATH": f"{wheel()}:{os.environ['PATH']}",
                "PGHOST": server.dsn.partition("host=")[2],
                "POSTGRES_USER": "postgres",
                "OWNER_PASSWORD": "it's",
                "SERVICE_PASSWORD": "$HOME",
            },
        )
        roles = "SELECT rolname, rolsuper, rolcanlogin FROM pg_roles WHERE rolname LIKE 'taskapi%'"
        assert sorted(map(tuple, execute(server, roles))) == [
            ("taskapi", False, True),
            (SERVICE_ROLE, False, True),
        ]
        owner = server.as_role("taskapi")
        owner = replace(owner, dsn=owner.dsn.replace("/postgres?", "/taskapi?"))
        prepare(owner)
        with client_for(settings_for(owner)) as http:
            Person("1", token_for("1"), http).create()


def test_the_deployments_limit_users_and_know_their_proxies(services: dict[str, Any]) -> None:
    for given in (services["taskapi"]["environment"], config_map()):
        settings = settings_from({name: given[name] for name in ("USER_RATE", "TRUSTED_PROXIES")})
        assert settings.user_rate == 300
        assert all(network.is_private for network in settings.trusted_proxies)
    assert re.search(r"set-header X-Forwarded-For %\[src\]", CONFIG.read_text()), "not appended"


# --- HAProxy ---


def test_haproxy_takes_its_configuration() -> None:
    done = subprocess.run(
        [program(), "-c", "-f", str(CONFIG)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_balancers_times_fit_the_services() -> None:
    text = CONFIG.read_text()

    def seconds(pattern: str) -> float:
        found = re.search(pattern, text)
        assert found is not None
        return float(found[1])

    assert f"taskapi:{PORT} " in text
    assert seconds(r"timeout server (\d+)s") >= MAX_WAIT_SECONDS + REQUEST_TIMEOUT + GRACE_SECONDS
    assert seconds(r"check inter (\d+)s fall 1 ") < DRAIN_SECONDS, "noticed while still served"


# --- Kubernetes ---


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
    (exact,) = re.findall(r"acl page path (.+)", CONFIG.read_text())
    assets = {path for path in exact.split() if path.startswith("/docs/assets/")}
    assert paths == dict.fromkeys({*exact.split()} - assets, "Exact") | {
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


def test_no_file_holds_a_secret() -> None:
    assert "Secret" not in [it["kind"] for it in manifests()]
    for file in DEPLOY.rglob("*"):
        if file.is_file():
            assert not re.search(r"npg_|BETTER_AUTH_SECRET(: |=)[^\s$]", file.read_text()), file
