"""Lost samples taken from other copies of a recording: pure signal processing, no clusters and no storage."""
