"""Where weights lie on this machine: one folder for each model of the catalogue, under one root. Any thread."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from spatia.checkpoints.catalogue import known

VARIABLE = "SPATIA_MODELS"
DOWNLOAD_STATE = ".cache"  # huggingface_hub's own, beside the files


@dataclass(frozen=True, slots=True)
class Shelf:
    root: Path

    def folder(self, name: str) -> Path:
        return self.root / known(name).name

    def files(self, name: str) -> list[str]:
        """What the model's folder holds, as sorted paths relative to it; nothing where there is no folder."""
        folder = self.folder(name)
        return sorted(
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and path.relative_to(folder).parts[0] != DOWNLOAD_STATE
        )

    def lacking(self, name: str) -> list[str]:
        """Needed files that are not here, as the catalogue names them."""
        return known(name).lacking(self.files(name))

    def has(self, name: str) -> bool:
        return not self.lacking(name)

    def find(self, name: str, pattern: str) -> Path | None:
        """The first of the model's files that matches a pattern of the catalogue, such as `CONTROL_FILE`."""
        matches = (path for path in self.files(name) if fnmatchcase(path, pattern))
        return next((self.folder(name) / path for path in matches), None)


def open_shelf(environment: Mapping[str, str], *, to: Path | None = None) -> Shelf:
    """`to` goes first, then $SPATIA_MODELS, then the user's data folder (XDG, which wants an absolute path)."""
    if to is not None:
        return Shelf(to)
    if environment.get(VARIABLE):
        return Shelf(Path(environment[VARIABLE]).expanduser())
    data = Path(environment.get("XDG_DATA_HOME", ""))
    if not data.is_absolute():
        data = Path("~/.local/share").expanduser()
    return Shelf(data / "spatia" / "models")
