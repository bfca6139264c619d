"""What two or more services use, one package per concept."""
