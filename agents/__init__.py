"""The minds: they propose and never act."""
