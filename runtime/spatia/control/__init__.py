"""From orders to poses. Pure functions."""
