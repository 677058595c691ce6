"""What ends the start of the embedded server."""


class EmbeddedServerError(Exception):
    """The embedded server cannot start. The message says why, and what to do."""
