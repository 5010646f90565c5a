"""From documents to evidence."""
