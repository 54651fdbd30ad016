"""Clips by diffusion on Wan2.2: how a request is laid out for the network, denoised and decoded."""
