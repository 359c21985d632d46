"""The place of every moment of a recording in another copy of it: pure signal processing in bounded memory."""
