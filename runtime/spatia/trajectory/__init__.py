"""From poses that are known to the rounds that a generator can be asked for."""
