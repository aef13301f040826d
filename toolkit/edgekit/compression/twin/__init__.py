"""The tf_keras twin of a Keras 3 model, which tensorflow-model-optimization can prune and fake-quantize."""
