"""PostgreSQL: where it is, how a statement reaches it, and what its faults mean."""
