"""The nodes: each reads a slice of the state, asks a service or a pure function, and returns an update."""
