"""Click logs with planted interactions, whose best possible AUC is known."""
