"""One block to probabilities; a cube to lazy class maps."""
