"""Where a frame begins and ends in a stream of bytes, sans-IO."""
