"""Starts, watches and stops the stack's processes, and lets an operator change the stack over HTTP."""
