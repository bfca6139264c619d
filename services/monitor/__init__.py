"""The monitor: drift, data quality and performance, told from sketches."""
