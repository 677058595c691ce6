"""How long tests wait, and how long the services that they start do; in seconds."""

import time
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds after which something that should have happened never will.

Many times what a slow machine with other work needs: it is the end of a wait that fails, and one
that succeeds takes no longer for it."""


def eventually(holds: Callable[[], object], what: str, within: float = PATIENCE) -> None:
    """Return when something holds that must come about by itself.

    Args:
        holds: asked again and again.
        what: a clause for the failure.
        within: seconds.
    """
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, f"never came true: {what}"
        time.sleep(0.02)


# Of services whose database fails

PATIENT = {"request_timeout": 60.0, "database_connect_timeout": 60.0}
"""For tests in which no limit may pass, however slow the machine is."""

HASTY = {"request_timeout": 3.0, "database_connect_timeout": 1.5}
"""For tests that have to see a limit pass. What nothing holds up takes a fraction of it."""

# Of the service whose clients are slow

HASTY_SECONDS = 2
"""How long the hasty service waits for anything: a slow machine is to be done within it."""
