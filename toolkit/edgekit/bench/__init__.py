"""Running the files themselves: predictions, metrics and latency, without TensorFlow."""
