"""The world store: what a run keeps on disk, so that killing it at any moment loses nothing that was committed."""
