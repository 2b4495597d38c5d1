"""The Zarr store, its ledger, composites."""
