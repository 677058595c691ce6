"""Connection URLs and parameters of PostgreSQL's own clients (libpq), as asyncpg can have them."""
