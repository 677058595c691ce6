"""Formats of files: one module for each, from tasks to bytes and back, and what they share."""
