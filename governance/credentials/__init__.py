"""Credentials of single actions: who issues them, what they are good for, and how they end."""
