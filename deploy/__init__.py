"""What runs Millrace: the local stack, the container files, the dashboards."""
