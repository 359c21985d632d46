"""Evaluation on the patches of shards: magnitudes alone."""
