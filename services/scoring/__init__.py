"""Scores and decisions by the acting models."""
