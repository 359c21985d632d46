"""Batch jobs whose work outlives any kill: claims, records, blocks, and Ray Data over them."""
