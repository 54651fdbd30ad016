"""Depth of single pictures by networks of transformers: Depth Anything and ZoeDepth. Imported where a scene asks."""
