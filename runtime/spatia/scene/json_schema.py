"""The scene schema for editors, in the draft-07 subset that yaml-language-server understands. Any thread."""

import json
from typing import Any

from spatia.scene.schema import Scene


def scene_json_schema() -> str:
    """The text of `scenes/scene.schema.json`."""
    schema = _draft_07(Scene.model_json_schema())
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "A spatia scene"}
    return json.dumps(head | {key: value for key, value in schema.items() if key != "title"}, indent=1) + "\n"


def _draft_07(node: Any) -> Any:
    """`$defs` was called `definitions`; the titles that pydantic makes up only repeat the names."""
    if isinstance(node, list):
        return [_draft_07(item) for item in node]
    if not isinstance(node, dict):
        return node.replace("#/$defs/", "#/definitions/") if isinstance(node, str) else node
    return {
        "definitions" if key == "$defs" else key: _draft_07(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }
