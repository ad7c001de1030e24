"""From the parts of a dataset directory to batches."""
