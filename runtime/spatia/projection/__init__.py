"""Pictures of the point cloud: one contract (`records.projection.Projector`) and three ways to keep it."""
