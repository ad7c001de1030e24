"""Whether this environment can train, and what to do where it cannot.

Only the standard library is imported here: what is looked for may be broken.
"""
