"""Networks, their registry, and classifiers on disk."""
