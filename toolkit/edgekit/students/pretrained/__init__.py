"""Pretrained weights: public ones, and checkpoints of AST and PaSST."""
