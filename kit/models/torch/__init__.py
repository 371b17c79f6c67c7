"""Weights as PyTorch has them: its files, read without PyTorch and without unpickling, and its names of layers."""
