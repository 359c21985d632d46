"""The Free Music Archive: its table of tracks, and its zips into storage."""
