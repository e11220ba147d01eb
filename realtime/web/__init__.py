"""How they hear it. I/O out, thin: parse, subscribe, write, unsubscribe."""
