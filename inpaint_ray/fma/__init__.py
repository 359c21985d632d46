"""The Free Music Archive (FMA): its table of tracks, and the staging of its zips."""
