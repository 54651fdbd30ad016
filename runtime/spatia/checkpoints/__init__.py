"""Weights on disk: where they are, what their tensors are called, how they are checked, converted and loaded."""
