"""`python -m taskapi`, for a checkout that is not installed."""

from taskapi.cli import main

main()
