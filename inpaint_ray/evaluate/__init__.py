"""How well checkpoints restore the patches of a split, beside the damaged input and linear interpolation."""
