"""Past alerts replayed: what would have been said about each, and how that compares with what people know was true."""
