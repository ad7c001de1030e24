"""Whether embeddings have collapsed: spectra, information abundance, diversity, and the report.

``spectrum`` and ``collapse`` measure and are cheap to import; ``report`` brings matplotlib and is
imported only where a report is written.
"""
