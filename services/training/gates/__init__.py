"""Gates: what a model must show before it is published, each a pure function that gives a verdict."""
