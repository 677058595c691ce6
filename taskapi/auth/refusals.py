"""How many requests without a valid token an address may send before it gets 429 instead of 401."""

import math

from starlette.types import Scope

from taskapi.edge.client_address import client_address, network_of
from taskapi.edge.rates import Rate
from taskapi.errors import InvalidToken, NotAuthenticated, TokenExpired, TooManyRefusals

MAX_REFUSALS = 1000
"""In 10 seconds, from one IPv4 address or one /64 of IPv6. When keys are withdrawn, a thousand
clients behind one NAT get their 401 at once. To check 100 tokens a second takes 2 % of a core."""


class RefusalLimit:
    """Counts refusals by address. A request with a valid token is never refused here.

    So the token is verified first, however many were refused before (docs/decisions/0022).
    """

    def __init__(self) -> None:
        self._rate = Rate(MAX_REFUSALS)

    def count(self, scope: Scope, refusal: NotAuthenticated | InvalidToken) -> None:
        """Count a refusal, unless its token was valid once: that client has to fetch a new one.

        Raises:
            TooManyRefusals: the address had too many, so this one is answered with 429.
        """
        address = client_address(scope)
        if address is None or isinstance(refusal, TokenExpired):
            return
        _, wait = self._rate.spend(network_of(address), 1)
        if wait:
            raise TooManyRefusals(self._rate.policy, math.ceil(wait), refusal.headers)
