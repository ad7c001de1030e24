"""Many runs as one: a grid of cells, their launch, and the table and page of their results."""
