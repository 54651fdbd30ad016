"""Scene files: what a user may say about a world, a walk and its edits. pydantic models, a guarded reader, a schema."""
