"""Weights as PyTorch has them: its files, read without PyTorch and without unpickling, and its names of layers.

Decisions:

- The kit reads `.pth` files itself, even where PyTorch is installed: what a file gives, and what it can do, is then
  the same on every machine. Their pickle goes through an interpreter of two dozen instructions, for Python's own
  unpickler, restricted or not, can be made to set attributes, to hash without end and to fill the memory.
- Parity with PyTorch is a median over random starts: where a ReLU's input is within rounding of 0, gradients jump by
  1e-2, between PyTorch's own float32 and float64 too.
"""
