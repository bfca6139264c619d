"""Scores joined with delayed labels."""
