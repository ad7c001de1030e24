"""What a field is: its column, its kind, its tokens and its vocabulary."""
