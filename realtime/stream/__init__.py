"""Who hears of it. asyncio, but no HTTP: a subscriber is given something to write to."""
