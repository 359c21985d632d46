"""Training one architecture on shards, distributed by Ray Train."""
