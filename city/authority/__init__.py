"""Keys, cards, issuers, status lists and rosters: what the city says, signed, and kept apart from what it receives."""
