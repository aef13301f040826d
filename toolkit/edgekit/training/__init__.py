"""Training with Keras 3 on any backend; never imports TensorFlow itself (frameworks.backend does, if it is the backend)."""
