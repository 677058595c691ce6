"""Attacks on the availability of a service, and what a polite user notices of each.

The short form is a test (`tests/fairness`); `make abuse` measures (`benchmarks/abuse.py`). Each
attack is a program of its own, `python -m support.abuse`, bounded in time and connections.
"""
