"""Finding of damage: detection of gaps, and label tracks in which people marked them."""
