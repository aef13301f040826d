"""Running a .tflite or .onnx file: its outputs, its accuracy, and the inputs it expects."""
