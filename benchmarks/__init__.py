"""Figures for people. Each benchmark prints how it was measured; none of them is a test."""
