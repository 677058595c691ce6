"""The embedded PostgreSQL server, for development: no `DATABASE_URL`, no set-up."""
