"""Accuracy of class maps."""
