"""taskapi: the backend that keeps each user's tasks safe, behind a JWT."""

__version__ = "0.1.0"
