"""The checkout and the machine that the tests run on."""

import itertools
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = Path(sys.executable).parent


def cannot(reason: str) -> NoReturn:
    """Skip a test that this machine cannot do; in CI, where everything must be tested, fail."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])

_ports = itertools.cycle(range(10_000 + _WORKER % 20 * 500, 10_500 + _WORKER % 20 * 500))
"""Of this test process. They are below those that the system gives to whoever asks for any: such a
one can be somebody else's by the time at which it is used."""


def free_ports(count: int) -> list[int]:
    """Ports on which nobody listens, and nobody will by chance."""
    return list(itertools.islice(filter(_is_free, _ports), count))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
