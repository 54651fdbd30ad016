"""Stands in for Meta's package `sam2`, with the signatures that it documents; what it is shown stays in place."""
