"""The embedded PostgreSQL server and its secret, for development without any set-up."""
