"""Logs, metrics and traces: `spans` is imported by `tracing`, and only if spans are wanted."""
