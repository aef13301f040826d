"""TrainedModel -> TrainedModel on the tf_keras twin: pruning, quantization-aware training; and the removal of channels."""
