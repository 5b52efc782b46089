"""What becomes of a run elsewhere: its trials in MLflow, TensorBoard or W&B, a trained network as ONNX or a program."""
