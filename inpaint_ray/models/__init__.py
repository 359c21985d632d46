"""Networks: (B, 1, T, F) normalised magnitudes with lost frames -> (B, 1, T, F) restored ones; they know no Ray."""
