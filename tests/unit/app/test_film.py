from pathlib import Path

import numpy as np

from spatia.app.film import Film
from spatia.app.video import read_frames

FRAME = np.full((64, 96, 3), 120, np.uint8)


def test_a_film_holds_the_frames_that_it_was_given(tmp_path: Path) -> None:
    film = Film(tmp_path / "film.mp4", fps=24.0)
    for _ in range(6):
        film.put(FRAME)
    assert film.close() == "film.mp4 written"
    assert len(read_frames(tmp_path / "film.mp4", range(100))) == 6


def test_a_disk_that_refuses_is_told_and_holds_up_nobody(tmp_path: Path) -> None:
    film = Film(tmp_path / "no such folder" / "film.mp4", fps=24.0)
    for _ in range(500):
        film.put(FRAME)
    said = film.close()
    assert said.startswith("no film: this video cannot be written")
    assert list(tmp_path.iterdir()) == []


def test_a_film_without_frames_leaves_no_broken_file(tmp_path: Path) -> None:
    Film(tmp_path / "film.mp4", fps=24.0).close()
    assert not list(tmp_path.glob("*.part"))
