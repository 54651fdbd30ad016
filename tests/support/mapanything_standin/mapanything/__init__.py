"""A stand-in for Meta's package, with its signatures and result keys as its README and docstrings give them."""
