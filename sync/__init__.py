"""The durable outbox and the way to the city; nothing here knows what is inside a message."""
