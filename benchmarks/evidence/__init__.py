"""What methods gain, measured on real data and on made-up landscapes: seeds, folds, tables."""
