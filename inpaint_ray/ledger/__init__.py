"""Batch jobs that resume after any kill: claims, records and blocks, on Ray Data."""
