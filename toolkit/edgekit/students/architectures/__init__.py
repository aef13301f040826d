"""One network a file, each with `build(keras, input_shape, classes)`; they do not know each other."""
