"""From a request to a clip: rounds, generators that need no weights, and the workers that run any generator."""
