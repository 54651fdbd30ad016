from pathlib import Path

import pytest

from spatia.errors import InputError
from spatia.input.recording import RecordingSource, read_motions, write_motions
from spatia.input.script import ScriptSource
from spatia.records.control import Generate, InputSource, Motion


def test_a_script_gives_one_order_at_a_time_and_waits_until_it_is_carried_out() -> None:
    source = ScriptSource([Generate(prompt="a"), Generate(prompt="b")])
    assert source.poll(0, idle=True) == (Generate(prompt="a"),)
    assert source.poll(1, idle=False) == ()
    assert not source.exhausted
    assert source.poll(2, idle=True) == (Generate(prompt="b"),)
    assert source.exhausted


def test_a_recording_gives_each_order_at_its_tick() -> None:
    source: InputSource = RecordingSource([(0, Motion(forward=1.0)), (2, Motion(right=1.0)), (2, Generate())])
    assert [source.poll(tick, idle=False) for tick in range(3)] == [
        (Motion(forward=1.0),),
        (),
        (Motion(right=1.0), Generate()),
    ]
    assert source.exhausted


def test_a_recording_survives_its_file(tmp_path: Path) -> None:
    recording = [(0, Motion(forward=1.0)), (3, Motion(yaw_rad=-0.25, pitch_rad=0.5))]
    write_motions(tmp_path / "walk.jsonl", recording)
    assert read_motions(tmp_path / "walk.jsonl") == recording


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", "", "empty"),
        ("{\n", ":1", "not JSON"),
        ('{"tick": 0}\n{"tick": 0}\n', ":2", "increase"),
        ('{"tick": 0, "foward": 1}\n', ":1", "did you mean 'forward'"),
        ('{"tick": 0, "forward": NaN}\n', ":1", "from -32 to 32; got nan"),
        ('{"tick": 0, "forward": 1}\n{"tick": 1, "up": -1e300}\n', ":2", "up must be a number from -32 to 32"),
        ('{"tick": 0, "yaw_rad": 3.2}\n', ":1", "from -3.1416 to 3.1416; got 3.2"),
        ('{"tick": 0, "pitch_rad": true}\n', ":1", "pitch_rad must be a number"),
        ('{"tick": 7}\n{"tick": 100007}\n', ":2", "spans at most 100000 ticks"),
        ('{"tick": true}\n', ":1", "tick"),
        ('{"tick": -1}\n', ":1", "tick"),
        ("[" * 100_000, ":1", "not JSON"),
    ],
)
def test_a_bad_recording_is_refused_with_its_line(tmp_path: Path, text: str, line: str, problem: str) -> None:
    path = tmp_path / "walk.jsonl"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_motions(path)
    assert f"walk.jsonl{line}" in str(caught.value)
    assert problem in str(caught.value)


def test_motion_does_not_wait_for_a_clip() -> None:
    source = ScriptSource([Motion(forward=1.0), Generate()])
    assert source.poll(0, idle=False) == (Motion(forward=1.0),)
    assert source.poll(1, idle=False) == ()
