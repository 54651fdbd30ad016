"""The networks: transformer with control branch, autoencoder, text encoder, sampler. Needs the `models` extra."""
