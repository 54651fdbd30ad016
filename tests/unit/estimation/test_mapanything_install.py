"""What is said about an interpreter that has MapAnything, or lacks it; and what its program may rely on."""

import ast
import sys
import venv
from pathlib import Path

import pytest

from spatia.errors import DeviceError
from spatia.estimation.mapanything import install
from spatia.estimation.mapanything.install import CHILD, EXAMPLE, examine, install_lines, install_words, require

STANDIN = Path(__file__).resolve().parents[2] / "support" / "mapanything_standin"


def played(folder: Path, script: str) -> str:
    """An interpreter that answers with the script whatever it is asked to run."""
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "python"
    python.write_text(f"#!{sys.executable}\n{script}\n")
    python.chmod(0o755)
    return str(python)


def answering(version: str, *, mapanything: str | None = "1.1.3", environment: bool = True) -> str:
    packages = {"numpy": "2.2", "torch": "2.10.0", "mapanything": mapanything}
    answer = {"python": version, "environment": environment, "packages": packages}
    return f"import json; print(json.dumps({answer!r}))"


def test_one_that_has_everything_is_ok(tmp_path: Path) -> None:
    python = played(tmp_path, answering("3.12.1"))
    found = require(python)
    assert found.state == "ok"
    assert found.found == f"mapanything 1.1.3, torch 2.10.0, numpy 2.2 on Python 3.12.1 at {python}"
    assert not found.fix


def test_the_real_program_looks_into_the_interpreter_that_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    found = examine(sys.executable)
    assert (found.state, found.found) == ("missing", f"{sys.executable} lacks mapanything")
    monkeypatch.setenv("PYTHONPATH", str(STANDIN))
    assert examine(sys.executable).found.startswith("mapanything of unknown version, torch ")


def test_a_folder_of_its_name_is_not_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mapanything").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert examine(sys.executable).found == f"{sys.executable} lacks mapanything"


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (answering("3.9.18"), "is Python 3.9.18; 3.10 or newer is wanted"),
        ("print('hello')", "is no Python >= 3.10; it said: nothing"),
        ("print('[]')", "is no Python >= 3.10; it said: nothing"),
        ("import sys; sys.exit('SyntaxError: invalid')", "is no Python >= 3.10; it said: SyntaxError: invalid"),
    ],
)
def test_what_is_no_use_says_so_and_shows_another_place(tmp_path: Path, script: str, found: str) -> None:
    python = played(tmp_path, script)
    got = examine(python)
    assert got.found == f"{python} {found}"
    assert got.fix == install_words(EXAMPLE)


def test_none_named_says_how_to_get_one_and_how_to_name_it() -> None:
    with pytest.raises(DeviceError) as caught:
        require("")
    assert caught.value.problem == "no interpreter is named for it"
    assert caught.value.fix.splitlines()[1:5] == [
        "    python3 -m venv ~/.venvs/mapanything",
        "    ~/.venvs/mapanything/bin/python -m pip install torch torchvision",
        "    ~/.venvs/mapanything/bin/python -m pip install "
        '"mapanything @ git+https://github.com/facebookresearch/map-anything.git@v1.1.3"',
        "    ~/.venvs/mapanything/bin/python -c "
        "\"from mapanything.models import MapAnything; MapAnything.from_pretrained('facebook/map-anything-apache')\"",
    ]
    assert caught.value.fix.endswith(
        "then estimation: {estimator: {name: mapanything, python: ~/.venvs/mapanything/bin/python}}"
    )


def test_an_environment_that_is_not_there_is_made_where_it_was_named(tmp_path: Path) -> None:
    python = tmp_path / "of mine" / "bin" / "python"
    got = examine(python)
    assert got.found == f"{python} cannot be started: [Errno 2] No such file or directory: '{python}'"
    assert got.fix == install_words(python)
    assert install_lines(python)[0] == f"python3 -m venv '{tmp_path}/of mine'"
    assert install_lines(python)[1] == f"'{python}' -m pip install torch torchvision"


def test_an_environment_that_is_there_is_added_to_and_the_systems_own_is_left_alone(tmp_path: Path) -> None:
    environment = played(tmp_path / "bin", answering("3.12.1", mapanything=None))
    got = examine(environment)
    assert got.found == f"{environment} lacks mapanything"
    assert got.fix.splitlines()[1] == f"    {environment} -m pip install torch torchvision"
    system = played(tmp_path / "usr" / "bin", answering("3.12.1", mapanything=None, environment=False))
    assert examine(system).fix == install_words(EXAMPLE)


def test_an_environment_is_asked_itself_and_not_the_interpreter_that_it_links_to(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", symlinks=True, with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    assert python.is_symlink()
    got = examine(python)
    assert got.found == f"{python} lacks numpy, torch, mapanything"
    assert got.fix == install_words(python)


def test_one_that_never_answers_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "ANSWER_WITHIN_S", 0.2)
    python = played(tmp_path, "import time; time.sleep(1000)")
    assert examine(python).found == f"{python} gave no answer within 0.2 s"


def test_the_program_stands_alone_on_python_3_10() -> None:
    tree = ast.parse(CHILD.read_text(encoding="utf-8"), feature_version=(3, 10))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).split(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"numpy", "torch", "mapanything"}
