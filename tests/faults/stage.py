"""How long the service of the faults waits, in seconds."""

PATIENT = {"request_timeout": 60.0, "database_connect_timeout": 60.0}
"""For tests in which no limit may pass, however slow the machine is."""

HASTY = {"request_timeout": 3.0, "database_connect_timeout": 1.5}
"""For tests that have to see a limit pass. What nothing holds up takes a fraction of it."""
