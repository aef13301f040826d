"""The two modules that import Keras and TensorFlow, and the custom layers that both load."""
