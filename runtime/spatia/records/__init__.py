"""What travels between the stages: frozen dataclasses over numpy arrays. No behaviour beyond checking and packing."""
