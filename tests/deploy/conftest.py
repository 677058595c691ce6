"""The stage of the deployment: a server that can be reached over TCP, and the image."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from support import image
from support.background import Background
from support.haproxy import Balancer
from support.machine import cannot
from support.postgres import Postgres


@pytest.fixture(scope="session")
def postgres(background: Background) -> Iterator[Postgres]:
    """A migrated server for the deployments of this test process."""
    with Postgres(background) as postgres:
        yield postgres


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> image.Stage:
    """The image, built from the Dockerfile as it stands."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        cannot("building the image without an engine needs root and unshare (util-linux)")
    # Two things of the Dockerfile are only for its size and its speed, and cost half a minute here.
    quicker = {"PIP_NO_CACHE_DIR": "", "PIP_NO_COMPILE": "1"}
    try:
        return image.build(tmp_path_factory.mktemp("image"), quicker)
    except subprocess.CalledProcessError as error:
        pytest.fail(f"{error.stdout}\n{error.stderr}")


@pytest.fixture(scope="module")
def balancer(service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancer]:
    """HAProxy in front of the running service."""
    port = urlsplit(service).port
    assert port is not None
    with Balancer(tmp_path_factory.mktemp("balancer"), [port]).running() as balancer:
        yield balancer
