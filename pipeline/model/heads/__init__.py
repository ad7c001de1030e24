"""Heads: how the outputs of all sets are weighed."""
