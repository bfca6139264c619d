"""What stands in an exported folder beside the model."""
