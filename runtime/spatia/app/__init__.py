"""Builds the runtime from its parts: the only package that knows them all."""
