"""How bytes from a reader become a `Reading`; nothing here knows what a health card means."""
