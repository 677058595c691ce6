"""The process: its socket and workers, HTTP/1.1 as it speaks it, and how it stops."""
