"""Which architecture: many trainings side by side, told in one table."""
