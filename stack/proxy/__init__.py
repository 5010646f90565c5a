"""A user-space TCP proxy, one process per link, that can be told to misbehave. Standard library only."""
