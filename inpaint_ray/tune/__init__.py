"""The search over architectures and settings: many trainings side by side, compared in one table."""
