"""What the program's HTML pages share: one style, and their tables, tiles and figures."""
