"""From the `Authorization` header to the user, and what that user may reach."""
