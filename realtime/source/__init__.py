"""Where readings come from. I/O in."""
