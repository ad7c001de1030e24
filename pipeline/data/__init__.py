"""From raw click logs to batches: sources, vocabularies, encoding, manifest, loader, batch."""
