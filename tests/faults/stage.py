"""How patient the stage of the faults is."""

PATIENCE = {"request_timeout": 1.5, "database_connect_timeout": 0.8}
"""Seconds, so that a test which has to see them pass is over soon."""

CLIENT_SECONDS = 10
"""After which a test's client gives up: no answer in time is a failure, wherever it is awaited."""
