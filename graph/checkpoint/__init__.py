"""Where runs are remembered between steps: one list of persisted types, a Redis saver on core commands, SQLite for no server."""
