"""The plan of a study, and batches of its trials, checked and trained in worker processes."""
