"""A trained Keras 3 model -> files that devices run: LiteRT flatbuffers and ONNX, with parity checks."""
