"""Where worlds come from: procedural scenes that know themselves exactly, RGB-D folders, PLY clouds, photo cases."""
