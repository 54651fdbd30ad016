"""Instructions that belong to places of the world: which one holds where somebody stands. Pure."""

from collections.abc import Sequence

import numpy as np

from spatia.geom.pose import F64
from spatia.scene.schema import PlacePrompt


def instruction_at(places: Sequence[PlacePrompt], world_from_camera: F64) -> str | None:
    """That of the nearest place which a camera [4, 4] stands within, the first of equals; None outside of all."""
    away_m = [float(np.linalg.norm(world_from_camera[:3, 3] - place.at_m)) for place in places]
    near = [number for number, place in enumerate(places) if away_m[number] <= place.within_m]
    return places[min(near, key=lambda number: away_m[number])].prompt if near else None
