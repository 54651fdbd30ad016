"""Depth from several views of known pose: a plane sweep in torch, which only those who ask for it import."""
