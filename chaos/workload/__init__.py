"""Processes that keep a fault alive: they belong to the fault, are leased with it and end with it."""
