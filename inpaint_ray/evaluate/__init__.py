"""How well checkpoints and methods restore what was lost, beside baselines: patches of shards, and clean audio."""
