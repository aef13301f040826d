"""One network per file, each with `build(keras, input_shape, classes)`; they do not import each other."""
