"""Restore music that has lost pieces."""

__version__ = "0.1.0"
