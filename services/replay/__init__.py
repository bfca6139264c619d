"""Recorded or simulated histories played into Kafka."""
