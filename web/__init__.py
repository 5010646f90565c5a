"""The face for browsers and machines."""
