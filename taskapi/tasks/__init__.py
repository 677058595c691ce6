"""Tasks: what they are, what may be asked of them, and the statements that do it."""
