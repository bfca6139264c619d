"""The model card: what a model is, how it was judged, and what it hangs on."""
