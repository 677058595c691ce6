"""Health, readiness and metrics, for operators and their tools.

`routes` responds, from `readiness` (can the database serve?) and `sampler` (sets the gauges).
"""
