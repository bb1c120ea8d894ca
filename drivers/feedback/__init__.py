"""Lamps, beepers, voices and ticket printers that stand beside the readers: each optional, none may hold up a scan."""
