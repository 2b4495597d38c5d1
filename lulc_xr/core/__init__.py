"""Values, checks and arithmetic: NumPy and Xarray only."""
