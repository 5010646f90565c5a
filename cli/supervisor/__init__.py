"""Starts our processes in order, restarts the ones that crash, and leaves nothing behind."""
