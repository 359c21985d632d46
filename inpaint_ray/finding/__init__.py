"""Finding of damage: detectors, and label tracks of marked gaps."""
