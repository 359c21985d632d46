"""What is damaged: gaps that are found, and gaps that people marked."""
