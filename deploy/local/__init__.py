"""Kafka, Redis and the services as plain processes on this machine, without containers."""
