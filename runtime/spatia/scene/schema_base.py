"""What every part of a scene shares: strict frozen models, unions told apart by a key, vectors and paths. Any thread.

A union here never tries its members one after another: the key that stands in the mapping names the member, so an
error is about what the user meant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from spatia.errors import near_miss

MAX_TEXT = 4096


class Part(BaseModel):
    """A mapping of a scene file. Unknown keys are refused with a near miss, and values are never coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = sorted(cls.model_fields)
            for key in data:
                if key not in cls.model_fields:
                    raise PydanticCustomError(
                        "unknown_key",
                        "unknown key {name}{hint}",
                        {"key": key, "name": repr(key), "hint": near_miss(str(key), known), "choices": known},
                    )
        return data


@dataclass(frozen=True)
class NamedByKey:
    """Marks a union whose member is told by the key that is present, such as `dolly_m` in ``{dolly_m: 1}``.

    The members are tagged ``<key>``: the brackets keep a tag in an error's location apart from a key of the file.
    """

    keys: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _checked_union(self._pick, self._refusal, source, handler)

    def _pick(self, value: Any) -> str | None:
        present = value if isinstance(value, Mapping) else getattr(type(value), "model_fields", ())
        return next((f"<{key}>" for key in self.keys if key in present), None)

    def _refusal(self, value: Any) -> PydanticCustomError:
        found = [str(key) for key in value][:8] if isinstance(value, Mapping) else []
        hint = next(filter(None, (near_miss(key, self.keys) for key in found)), "")
        return _choice(f"needs one of the keys that say what it is{hint}", self.keys)


@dataclass(frozen=True)
class NamedByValue:
    """Marks a union whose member is told by a key's value, such as ``kind: ply``. Members are tagged ``<value>``."""

    key: str
    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _checked_union(self._pick, self._refusal, source, handler)

    def _pick(self, value: Any) -> str | None:
        name = value.get(self.key) if isinstance(value, Mapping) else getattr(value, self.key, None)
        return f"<{name}>" if name in self.names else None

    def _refusal(self, value: Any) -> PydanticCustomError:
        if not isinstance(value, Mapping) or self.key not in value:
            return _choice(f"needs the key {self.key!r}", self.names)
        name = value[self.key]
        return _choice(f"unknown {self.key} {str(name)[:60]!r}{near_miss(str(name), self.names)}", self.names)


@dataclass(frozen=True)
class ShortName:
    """Marks a union told by `name`: ``oracle`` stands for ``{name: oracle}``."""

    names: tuple[str, ...]  # those that need no other key

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_spelt_out, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": list(self.names)}, handler(schema)]}


def _spelt_out(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _choice(problem: str, choices: tuple[str, ...]) -> PydanticCustomError:
    return PydanticCustomError("choice", "{problem}", {"problem": problem, "choices": list(choices)})


def _checked_union(
    pick: Callable[[Any], str | None],
    refusal: Callable[[Any], PydanticCustomError],
    source: Any,
    handler: GetCoreSchemaHandler,
) -> CoreSchema:
    """pydantic's own refusal knows neither the near miss nor the choices, so ours comes before it."""

    def check(value: Any) -> Any:
        if pick(value) is None:
            raise refusal(value)
        return value

    union = Discriminator(pick).__get_pydantic_core_schema__(source, handler)
    return core_schema.no_info_before_validator_function(check, union)


class TypedPath(str):
    """Text typed on the command line: as a path it is relative to where the person stands, and may be anywhere."""


def _located(value: Any, info: ValidationInfo) -> Any:
    """A path relative to the scene file, within the scene's folder unless the reader was told otherwise."""
    if not isinstance(value, str):
        return value
    if not value or len(value) > MAX_TEXT:
        raise PydanticCustomError("path", f"must be a path of 1 to {MAX_TEXT} characters")
    context = info.context or {}
    folder: Path = Path.cwd() if isinstance(value, TypedPath) else context.get("folder", Path.cwd())
    free = isinstance(value, TypedPath) or context.get("allow_outside", True)
    try:
        place = (folder / Path(value).expanduser()).resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
        raise PydanticCustomError("path", "cannot be resolved: {cause}", {"cause": str(error)}) from error
    if not free and not place.is_relative_to(folder.resolve()):
        raise PydanticCustomError("outside", "leads out of the scene's folder")
    return place


ScenePath = Annotated[Path, BeforeValidator(_located), WithJsonSchema({"type": "string", "minLength": 1})]


def _within(*, low: float, high: float) -> Callable[[tuple[float, ...]], tuple[float, ...]]:
    def check(values: tuple[float, ...]) -> tuple[float, ...]:
        for value in values:
            if not low <= value <= high:
                raise PydanticCustomError(
                    "range", "each number must lie in {low}..{high}", {"low": f"{low:g}", "high": f"{high:g}"}
                )
        return values

    return check


FAR_M = 1e5  # float32 positions keep 1 cm up to here

Metres = Annotated[float, Field(ge=-FAR_M, le=FAR_M)]
Degrees = Annotated[float, Field(ge=-36000, le=36000)]
Vec3 = Annotated[
    tuple[float, float, float],
    Field(strict=False),
    AfterValidator(_within(low=-FAR_M, high=FAR_M)),
    WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}),
]
Color = Annotated[
    tuple[int, int, int],
    Field(strict=False),
    AfterValidator(_within(low=0, high=255)),
    WithJsonSchema(
        {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}, "minItems": 3, "maxItems": 3}
    ),
]
Row = Annotated[tuple[float, float, float, float], Field(strict=False)]
Matrix = Annotated[
    tuple[Row, Row, Row, Row],
    Field(strict=False),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
            "minItems": 4,
            "maxItems": 4,
        }
    ),
]
