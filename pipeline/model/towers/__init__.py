"""Towers: a representation -> the logits of all tasks, (T, B, H) -> (T, B)."""
