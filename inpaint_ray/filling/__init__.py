"""Filling of gaps: pure functions from a damaged waveform or spectrogram, and a model, to a whole one."""
