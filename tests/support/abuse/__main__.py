"""Carry out one attack, and print what was sent, as JSON.

    python -m support.abuse NAME PORT USER_ID TOKEN SECONDS

The first line is printed when it begins.
"""

import json
import os
import sys

from support.abuse.attacker import Attacker
from support.abuse.attacks import ATTACKS

NICENESS = 5
"""Attackers have machines of their own: here they get only what service and database leave."""


def main(name: str, port: str, user_id: str, token: str, seconds: str) -> None:
    """Attack."""
    os.nice(NICENESS)
    attacker = Attacker(int(port), user_id, token, float(seconds))
    print("begins", flush=True)  # noqa: T201 - who started it waits for this
    ATTACKS[name].run(attacker)
    print(json.dumps(vars(attacker.sent)))  # noqa: T201 - likewise


main(*sys.argv[1:])
