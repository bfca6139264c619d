"""The services: each folder is one program around Kafka; none imports another."""
