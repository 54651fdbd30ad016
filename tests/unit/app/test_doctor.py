import json
import os
import subprocess
import sys
from pathlib import Path


def test_broken_packages_are_told_with_their_fix(tmp_path: Path) -> None:
    """In a process of its own, that finds these packages before any that is installed."""
    for package, code in {"peft": "", "torch": "raise OSError('libcudart.so.12 is not there')"}.items():
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(code)
    hide = (
        "import importlib.metadata as m; version = m.version\n"
        "def without(name):\n"
        "    if name in ('peft', 'torch'): raise m.PackageNotFoundError(name)\n"
        "    return version(name)\n"
        "m.version = without\n"
        "import sys; sys.argv = ['spatia', 'doctor', '--json']\n"
        "from spatia.__main__ import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", hide],
        check=False, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert "Traceback" not in ended.stderr
    found = {finding["name"]: finding for finding in json.loads(ended.stdout)}
    for name, problem, fix in (
        ("peft", "has no version", "pip install --force-reinstall peft"),
        ("torch", "has no version", "pip install --force-reinstall torch"),
        ("GPU", "torch: libcudart.so.12 is not there", "pip install --force-reinstall torch"),
    ):
        assert found[name]["state"] == "optional"
        assert found[name]["found"].startswith("broken: ")
        assert problem in found[name]["found"]
        assert found[name]["fix"] == fix
