"""Signal processing on arrays and tensors: knows neither networks, nor storage, nor Ray."""
