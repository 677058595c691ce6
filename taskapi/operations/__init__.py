"""Health, readiness and metrics: what operators and their tools ask for."""
