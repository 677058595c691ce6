"""The doctor: examines settings, database, keys and a token, and says what to do about them."""
