"""From sources to a dataset directory: vocabularies, ids, splits, parts."""
