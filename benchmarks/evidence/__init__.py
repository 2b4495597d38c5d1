"""What methods gain on real data: scripts that print and keep the figures of the documentation."""
