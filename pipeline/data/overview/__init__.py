"""A look at a prepared dataset: what its fields hold, and what would hurt a model."""
