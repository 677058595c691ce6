"""The user's clock: one row per user, locked first by every write, gives their writes an order."""
