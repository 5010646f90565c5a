"""Pipelines: YAML documents compiled to LangGraph, run and resumed like incidents."""
