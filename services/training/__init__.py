"""Training: labelled examples to a signed model package."""
