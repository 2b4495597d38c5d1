"""Benchmarks of lulc_xr: ``make bench`` for the table, ``asv run`` for the history."""
