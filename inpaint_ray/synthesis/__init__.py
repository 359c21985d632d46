"""Synthetic music in FMA's layout: the whole chain can be shown and tested without anyone's audio."""
