"""The tensors that a network wants against those that a file holds. Plain data, any thread."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from spatia.checkpoints.tensors import FETCH_AGAIN, TensorSpec
from spatia.errors import InputError

Status = Literal["missing", "misshapen", "dtype", "extra"]
WEIGHT_DTYPES = ("float32", "bfloat16", "float16")
ROWS_IN_ERROR = 5
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One tensor that is not as wanted. What is missing was not found; what is extra was not wanted."""

    status: Status
    name: str
    wanted: TensorSpec | None
    found: TensorSpec | None

    def __str__(self) -> str:
        # A file's name for a tensor may hold anything; a terminal must not act on it.
        name = self.name if self.name.isprintable() else ascii(self.name)
        if len(name) > LONGEST_NAME:
            name = f"{name[:LONGEST_NAME]}..."
        sides = [f"{side} {spec}" for side, spec in (("wanted", self.wanted), ("found", self.found)) if spec]
        return f"{self.status:<9} {name}: {', '.join(sides)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """All findings of one comparison. `place` says which files, `tensors` how many tensors were wanted."""

    place: str
    tensors: int
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        return not self.rows

    def table(self, *, most: int | None = None) -> str:
        """A line for each finding, at most so many, and what was left off."""
        shown = self.rows[:most]
        more = len(self.rows) - len(shown)
        return "\n".join([*map(str, shown), *([f"and {more} more"] if more else [])])

    def require(self) -> None:
        """Raises `InputError` with the first rows unless all is as wanted."""
        if self.rows:
            raise InputError(
                f"does not fit the network, which wants {self.tensors} tensors\n{self.table(most=ROWS_IN_ERROR)}",
                where=self.place,
                fix=f"use the file of this network, or {FETCH_AGAIN}",
            )


def check(wanted: Mapping[str, TensorSpec], found: Mapping[str, TensorSpec], *, place: str) -> Check:
    """Compares names, shapes and dtypes. Any of `WEIGHT_DTYPES` will do, for weights are cast when they are loaded."""
    rows = []
    for name, want in wanted.items():
        have = found.get(name)
        if have is None:
            rows.append(Row(status="missing", name=name, wanted=want, found=None))
        elif have.shape != want.shape:
            rows.append(Row(status="misshapen", name=name, wanted=want, found=have))
        elif have.dtype not in WEIGHT_DTYPES:
            rows.append(Row(status="dtype", name=name, wanted=want, found=have))
    rows += [
        Row(status="extra", name=name, wanted=None, found=have) for name, have in found.items() if name not in wanted
    ]
    return Check(place=place, tensors=len(wanted), rows=tuple(rows))
