"""From labelled points to what a network learns from: samples, folds in space, batches."""
