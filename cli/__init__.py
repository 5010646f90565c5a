"""The face for terminals."""
