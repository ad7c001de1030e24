"""Ranks, the sharding plan, and the sharding of a model that knows nothing of either."""
