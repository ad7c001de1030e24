"""Embedding matrices from outside: read from a file, measured by blocks of rows, and reported."""
