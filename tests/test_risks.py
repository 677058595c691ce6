"""Settings that work and are unwise: the start tells of each once, and the doctor calls it bad."""

import re
from pathlib import Path

import pytest

from support.doctor import examined
from support.programs import started
from taskapi.config import Settings
from taskapi.database.url import DatabaseUrl
from taskapi.risks import risks_of

WISE = {
    "database_url": "postgresql://taskapi@127.0.0.1:1/tasks",
    "better_auth_url": "https://app.example.com",
}

UNWISE: list[tuple[dict[str, object], list[str]]] = [
    ({}, []),
    ({"better_auth_url": "http://app.example.com"}, ["way to the key set"]),
    ({"better_auth_jwks_url": "http://web:3000/jwks"}, ["way to the key set"]),
    ({"better_auth_jwks_url": "http://10.0.0.7/jwks"}, ["way to the key set"]),
    ({"better_auth_jwks_url": "http://localhost:3000/jwks"}, []),
    ({"better_auth_jwks_url": "http://127.0.0.2:3000/jwks"}, []),
    ({"better_auth_jwks_url": "http://[::1]:3000/jwks"}, []),
    ({"better_auth_jwks_url": "http://localhost.example.com/jwks"}, ["way to the key set"]),
    ({"better_auth_url": None, "better_auth_secret": "x" * 32}, ["issuer", "audience"]),
    (
        {
            "better_auth_url": None,
            "better_auth_secret": "x" * 32,
            "jwt_issuer": "https://a.example",
        },
        ["audience"],
    ),
    (
        {"better_auth_url": None, "better_auth_jwks_url": "https://a.example/jwks"},
        ["issuer", "audience"],
    ),
    ({"database_url": None, "better_auth_url": "http://app.example.com"}, []),
]


@pytest.mark.parametrize(("changed", "subjects"), UNWISE)
def test_what_is_unwise(changed: dict[str, object], subjects: list[str]) -> None:
    settings = Settings.model_validate(WISE | changed)
    assert [risk.subject for risk in risks_of(settings)] == subjects


def test_the_doctor_calls_it_bad_and_says_what_to_set() -> None:
    unset = {"jwt_issuer": None, "jwt_audience": None}
    found = examined(DatabaseUrl(str(WISE["database_url"])), **unset)
    assert [found[name].good for name in ("issuer", "audience")] == [False, False]
    assert "JWT_ISSUER" in str(found["issuer"].remedy)
    assert "JWT_AUDIENCE" in str(found["audience"].remedy)


def test_the_start_tells_of_it_once(database: DatabaseUrl, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": database.dsn, "BETTER_AUTH_SECRET": "x" * 32, "API_PORT": 0}
    with started(
        "taskapi", "serve", "--workers", "2", folder=tmp_path, settings=settings
    ) as service:
        service.wait_for(re.compile("startup complete"))
        service.end()
    assert len([line for line in service.lines if "unwise" in line]) == 2
