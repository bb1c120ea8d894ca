"""One door to each library that moves bytes."""
