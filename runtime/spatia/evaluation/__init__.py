"""How well a run kept to its cameras: poses found again in frames, errors against requested ones, standard paths."""
