"""The profile that `make fuzz` asks for: nothing ends a search early."""

from hypothesis import HealthCheck, settings

from support.effort import LONG

settings.register_profile(LONG, deadline=None, suppress_health_check=list(HealthCheck))
