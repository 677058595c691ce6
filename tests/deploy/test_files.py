"""The balancer's configuration, and what is true of all files of deploy/."""

import re
import subprocess

from support.deployment import DEPLOY, PORT, REQUEST_TIMEOUT, manifests
from support.haproxy import CONFIG, program
from taskapi.changes.waiting import MAX_WAIT_SECONDS
from taskapi.server.drain import DRAIN_SECONDS
from taskapi.server.process import GRACE_SECONDS


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
    usual = REQUEST_TIMEOUT + GRACE_SECONDS
    assert seconds(r"\n    timeout server (\d+)s") > usual
    assert seconds(r"set-timeout server (\d+)s") >= MAX_WAIT_SECONDS + usual
    assert seconds(r"check inter (\d+)s fall 1 ") < DRAIN_SECONDS, "noticed while still served"


def test_no_file_holds_a_secret() -> None:
    assert "Secret" not in [it["kind"] for it in manifests()]
    for file in DEPLOY.rglob("*"):
        if file.is_file():
            assert not re.search(r"npg_|BETTER_AUTH_SECRET(: |=)[^\s$]", file.read_text()), file
