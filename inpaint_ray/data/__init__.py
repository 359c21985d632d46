"""From tracks in storage to batches of patches: listings, shards, and the Ray Data pipeline that makes them."""
