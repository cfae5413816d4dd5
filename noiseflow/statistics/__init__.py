"""What the trials say: arrays and frames in, numbers and frames out; docs/method.md has the formulas."""
