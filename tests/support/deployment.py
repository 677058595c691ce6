"""The deployment's files, as their tests read them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from support.image import instructions
from support.machine import ROOT
from taskapi.config import Settings
from taskapi.server.drain import DRAIN_SECONDS
from taskapi.server.process import GRACE_SECONDS

DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
KUBERNETES = DEPLOY / "kubernetes"

PORT = Settings.model_fields["api_port"].default
REQUEST_TIMEOUT = Settings.model_fields["request_timeout"].default
LONGEST_STOP = DRAIN_SECONDS + REQUEST_TIMEOUT + GRACE_SECONDS
IMAGE = dict(instructions((ROOT / "Dockerfile").read_text()))

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
