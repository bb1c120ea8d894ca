"""`./dev demo`: the whole loop on one machine, nothing mocked but the person."""
