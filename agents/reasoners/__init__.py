"""Minds: rules for every role, a model over an OpenAI-compatible endpoint, a scripted one, and the visible fall back."""
