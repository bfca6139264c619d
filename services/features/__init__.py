"""Exact sliding-window features, one service per entity."""
