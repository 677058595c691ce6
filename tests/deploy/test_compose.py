"""compose.yaml: valid, and true of the service and of the files that it uses."""

import configparser
import os
import re
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from support.deployment import (
    COMPOSE,
    DEPLOY,
    FIXED,
    GIVEN,
    LONGEST_STOP,
    OPTIONAL,
    REQUEST_TIMEOUT,
    config_map,
    services_with,
    settings_from,
)
from support.haproxy import CONFIG
from support.machine import PROGRAMS
from support.other_postgres import running, wheel
from support.people import Person, token_for
from support.rows import execute
from support.service import client_for, prepare, settings_for
from taskapi.app import create_app
from taskapi.config import Settings
from taskapi.database.url import DatabaseUrl
from taskapi.embedded.database import SERVICE_ROLE


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of compose.yaml."""
    return services_with(GIVEN | OPTIONAL)


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
