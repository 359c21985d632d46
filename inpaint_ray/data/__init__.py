"""The data set: listings of tracks, shards of patches, and batches of patches with damage."""
