"""The prepare job: tracks to shards."""
