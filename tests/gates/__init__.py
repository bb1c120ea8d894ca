"""Checks of the tree that no ordinary tool makes."""
