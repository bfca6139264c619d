"""Flagged payments with reasons."""
