"""Tasks in and out as files: one module a format, each from tasks to bytes and back."""
