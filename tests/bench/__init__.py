"""Benchmarks: ours against the raw library doing the same work, in one run."""
