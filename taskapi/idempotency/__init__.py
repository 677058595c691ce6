"""`Idempotency-Key`: a write that is repeated takes effect once, and has the first outcome."""
