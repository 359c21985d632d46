"""Evaluation of checkpoints and methods beside baselines: on patches of shards, and on clean audio."""
