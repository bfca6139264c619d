"""Raw payments and labels in, checked and canonical records out."""
