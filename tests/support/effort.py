"""How long to look, and where.

The suite looks for a moment, and at the same places in every run, so that only a change can break
it. `make fuzz` looks for long, and anywhere.
"""

from hypothesis import HealthCheck, settings

LONG = "long"

TIMES = 100
"""How much more is looked at with `make fuzz`."""


def looks_for_long() -> bool:
    """Whether this is `make fuzz`."""
    return settings.get_current_profile_name() == LONG


def effort(examples: int, steps: int = 50) -> settings:
    """Settings of a search that takes so many examples, of so many steps, in the suite."""
    if looks_for_long():
        return settings(max_examples=examples * TIMES, stateful_step_count=steps)
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        # People are made once for all examples: what is theirs may pile up.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
