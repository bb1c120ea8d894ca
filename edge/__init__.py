"""The edge node: what it is and what it decides (credentials, trust, verdicts, records, the local page)."""
