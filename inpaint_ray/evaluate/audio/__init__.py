"""Evaluation on clean audio, into which gaps are cut."""
