"""TrainedModel -> TrainedModel: pruning on the tf_keras twin of a Keras 3 model."""
