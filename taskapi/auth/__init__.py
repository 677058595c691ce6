"""From the `Authorization` header to the user: syntax, key, signature, claims, path."""
