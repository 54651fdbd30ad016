"""From frames to geometry: depth and confidence, masks of what moves, and points ready for the memory."""
