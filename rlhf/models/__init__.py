"""Models of a run: the starting policy, reward sources, adapters to train."""
