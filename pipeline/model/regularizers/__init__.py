"""Regularisers: terms of the loss, () each, of a batch's embeddings (M, B, F, C) or of weights.

With several ranks each one's statistics are those of its own rows.
"""
