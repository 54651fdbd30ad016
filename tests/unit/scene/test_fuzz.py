from pathlib import Path

from spatia import assets
from spatia.errors import SceneError
from spatia.scene.load import read_scene
from support.mutate import mutants

COUNT = 3000


def test_damaged_scenes_load_or_are_refused_with_a_typed_error() -> None:
    scenes = sorted(Path(str(assets.root("scenes"))).glob("*.yaml"))
    loaded = 0
    for text in mutants([scene.read_bytes() for scene in scenes], COUNT, seed=20):
        try:
            read_scene(text, name="mutant.yaml", folder=Path("/scenes"))
            loaded += 1
        except SceneError as error:
            assert error.where
    assert loaded >= COUNT // 20, "the damage is too coarse to reach what lies behind the parser"
