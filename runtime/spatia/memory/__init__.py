"""What has been seen: the static point cloud with its edits, and the archive of frames with their retrieval."""
