"""The browser code of docs/better-auth.md, run by Node as it stands there."""

import os
import subprocess

import pytest

from support.auth_server import SERVER, node
from support.auth_stage import Stage, in_mode

PAGE_ORIGIN = "http://localhost:3000"


@pytest.mark.parametrize("stage", ["default", "serial ids"], indirect=True)
def test_the_browser_code(stage: Stage) -> None:
    """Its own tests, one line for each, are in server/browser/tasks-api.test.mjs."""
    told = {"BETTER_AUTH_URL": stage.auth.url, "TASKS_URL": str(stage.http.base_url).rstrip("/")}
    done = subprocess.run(
        [node(), "--test", "--test-reporter=tap", "browser/tasks-api.test.mjs"],
        cwd=SERVER,
        env=os.environ | told,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@in_mode("default")
def test_a_page_of_another_origin_may_call(stage: Stage) -> None:
    """The preflight that `Authorization` and JSON lead to, and the call itself."""
    account = stage.auth.sign_up()
    asked = {
        "Origin": PAGE_ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    path = f"/api/{account.id}/tasks"
    with stage.service(cors_origins=(PAGE_ORIGIN,)) as http:
        preflight = http.options(path, headers=asked)
        call = stage.person(account, http).get(headers={"Origin": PAGE_ORIGIN})
        stranger = http.options(path, headers=asked | {"Origin": "http://elsewhere.example"})
    assert preflight.is_success
    assert preflight.headers["Access-Control-Allow-Origin"] == PAGE_ORIGIN
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type"} <= set(allowed.split(","))
    assert call.status_code == 200
    assert call.headers["Access-Control-Allow-Origin"] == PAGE_ORIGIN
    assert "Access-Control-Allow-Origin" not in stranger.headers


@in_mode("default")
def test_the_token_in_the_header_of_get_session(stage: Stage) -> None:
    """Another way to the same token, without a request of its own."""
    account = stage.auth.sign_up()
    alice = stage.person(account)
    alice.token = account.browser.get("/api/auth/get-session").headers["set-auth-jwt"]
    assert alice.get().status_code == 200
