"""No code of ours runs what a stranger's file or text says: read from the source, so that no path is left out."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for folder in ("runtime/spatia", "tools") for path in (ROOT / folder).rglob("*.py"))

MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
CALLS = {"eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec", "os.system", "os.popen"} | {
    "torch.load", "torch.hub.load", "torch.hub.load_state_dict_from_url", "numpy.load", "numpy.fromregex",
    "yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "yaml.safe_load", "yaml.safe_load_all",
    "pandas.read_pickle", "subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp",
}  # fmt: skip
PREFIXES = ("torch.hub.", "os.exec", "os.spawn")
TRUE_ARGUMENTS = {"shell", "allow_pickle", "trust_remote_code"}
# Two files that Wan's authors publish as pickles alone, read through torch's loader of bare weights.
WEIGHTS_READER = "runtime/spatia/checkpoints/tensors.py"
ALLOWED = {WEIGHTS_READER: ["torch.load"]}
EVERYWHERE = "0.0.0.0"  # lets the whole network in


def unsafe(source: str) -> Iterator[tuple[int, str]]:
    """The line and name of each use of what can run a stranger's code or let strangers in."""
    tree = ast.parse(source)
    meaning = dict(_imported(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names if _root(name.name) in MODULES)
            case ast.ImportFrom(module=str(module)):
                if _root(module) in MODULES:
                    yield node.lineno, module
                yield from ((node.lineno, name) for a in node.names if _refused(name := f"{module}.{a.name}"))
            case ast.Attribute() | ast.Name(ctx=ast.Load()):
                name = _dotted(node, meaning)
                if _refused(name):
                    yield node.lineno, name
            case ast.keyword(arg=str(arg), value=value) if arg in TRUE_ARGUMENTS and not _is_false(value):
                yield node.value.lineno, arg
            case ast.Constant(value=str(text)) if text == EVERYWHERE:
                yield node.lineno, text


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What each imported name stands for: `np` for numpy."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((name.asname, name.name) for name in names if name.asname)
            case ast.ImportFrom(module=str(module), names=names):
                yield from ((name.asname or name.name, f"{module}.{name.name}") for name in names)


def _dotted(node: ast.expr, meaning: dict[str, str]) -> str:
    """``torch.hub.load`` of that expression, by the names of the modules; empty for what is no such name."""
    match node:
        case ast.Name(id=name):
            return meaning.get(name, name)
        case ast.Attribute(value=value, attr=attr):
            before = _dotted(value, meaning)
            return f"{before}.{attr}" if before else ""
        case _:
            return ""


def _refused(name: str) -> bool:
    return name in CALLS or name.startswith(PREFIXES)


def _is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


def _root(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_runs_what_strangers_say(path: Path) -> None:
    found = [name for _, name in unsafe(path.read_text(encoding="utf-8"))]
    assert found == ALLOWED.get(str(path.relative_to(ROOT)), [])


def test_the_one_pickle_reader_takes_bare_weights_alone() -> None:
    tree = ast.parse((ROOT / WEIGHTS_READER).read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"]
    assert len(calls) == 1
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in calls[0].keywords}
    assert given["weights_only"] == "True"


def test_there_are_sources_to_look_at() -> None:
    assert len(SOURCES) > 100


@pytest.mark.parametrize(
    "snippet",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "import marshal",
        "import shelve",
        "from torch import load",
        "import torch\ntorch.load('weights.pt')",
        "import torch as t\nt.load('weights.pt', weights_only=True)",
        "import torch\nread = torch.load",
        "import torch\ntorch.hub.load('a/b', 'c')",
        "from torch.hub import load as fetch\nfetch('a/b', 'c')",
        "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)",
        "import yaml\nyaml.unsafe_load(text)",
        "from yaml import safe_load",
        "eval('1 + 1')",
        "exec('pass')",
        "run = exec",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import subprocess\nsubprocess.run('ls', shell=wanted)",
        "import numpy as np\nnp.load('a.npy')",
        "from numpy import load",
        "import numpy as np\nnp.memmap('a', allow_pickle=True)",
        "Model.from_pretrained('a/b', trust_remote_code=True)",
        "import os\nos.system('ls')",
        "import os\nos.popen('ls')",
        "import os\nos.execv('/bin/ls', [])",
        "server.bind(('0.0.0.0', 80))",
    ],
)
def test_each_rule_finds_what_it_is_for(snippet: str) -> None:
    assert list(unsafe(snippet))


@pytest.mark.parametrize(
    "snippet",
    [
        "import yaml\nyaml.parse(text, Loader=yaml.SafeLoader)",
        "import json\njson.loads(text)",
        "import subprocess\nsubprocess.run(['ls'], shell=False)",
        "model.eval()",
        "class Speed:\n    compile: bool = False",
        "import re\nre.compile('a')",
        "server.bind(('127.0.0.1', 0))",
        "from safetensors.numpy import load_file\nload_file('a.safetensors')",
    ],
)
def test_what_is_safe_passes(snippet: str) -> None:
    assert list(unsafe(snippet)) == []
