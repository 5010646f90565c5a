"""May this happen, and what is remembered."""
