"""What agents at work share with each other: a keyspace, a port, its implementations. Coordination, never evidence."""
