"""The kernel: a small entity-component-system with stages, deferred changes and a journal. Standard library only."""

from spatia.ecs.schedule import App as App
from spatia.ecs.schedule import Instrument as Instrument
from spatia.ecs.schedule import Stage as Stage
from spatia.ecs.schedule import System as System
from spatia.ecs.world import Change as Change
from spatia.ecs.world import Commands as Commands
from spatia.ecs.world import Despawn as Despawn
from spatia.ecs.world import Frame as Frame
from spatia.ecs.world import Insert as Insert
from spatia.ecs.world import Put as Put
from spatia.ecs.world import World as World
