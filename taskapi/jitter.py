"""Spread in time, so that many who wait for the same thing do not come back together."""

from random import Random

_GENERATOR = Random()  # noqa: S311 - no secret. Its own, as a seed of the shared one would align all


def jittered(seconds: float) -> float:
    """From half as many to one and a half times as many seconds, evenly."""
    return seconds * _GENERATOR.uniform(0.5, 1.5)
