"""Poses, pinhole cameras and paths, in OpenCV axes and metres. numpy only."""
