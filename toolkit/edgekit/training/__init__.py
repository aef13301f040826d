"""Training with Keras 3 on any backend; never imports TensorFlow itself (edgekit.backend does, if that is the backend)."""
