"""A city and its boxes over months, and everything that goes wrong between them; each verdict is held to the truth."""
