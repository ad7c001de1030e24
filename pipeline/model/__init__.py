"""The multi-embedding model: embedding sets, interactions, heads and towers.

Plain modules for one device; ``pipeline/distributed`` shards them from outside.
"""
