"""Interactions: (M, B, F, C) -> (M, B, H), each set with weights and a projection of its own."""
