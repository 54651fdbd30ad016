import dataclasses
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.errors import GenerationError
from spatia.generation.job import Event, Sign
from spatia.generation.messages import (
    Message,
    event_of_message,
    message_of_event,
    message_of_request,
    read_message,
    request_of_message,
    write_message,
)
from spatia.records.frames import Frames
from spatia.records.generation import Clip, Failure, Progress
from support.generators import request_for
from support.scenes import BallBeforeWall, frames_of, sideways


def bytes_of(message: Message) -> bytes:
    stream = io.BytesIO()
    write_message(stream, message)
    return stream.getvalue()


def sent(message: Message) -> Message:
    received = read_message(io.BytesIO(bytes_of(message)))
    assert received is not None
    return received


def assert_same_frames(got: Frames, wanted: Frames) -> None:
    np.testing.assert_array_equal(got.rgb, wanted.rgb)
    np.testing.assert_array_equal(got.cameras.world_from_camera, wanted.cameras.world_from_camera)
    np.testing.assert_array_equal(got.time_s, wanted.time_s)
    assert got.cameras.intrinsics == wanted.cameras.intrinsics
    assert (got.depth_m is None) == (wanted.depth_m is None)
    if wanted.depth_m is not None:
        assert got.depth_m is not None
        np.testing.assert_array_equal(got.depth_m, wanted.depth_m)


@pytest.mark.parametrize("with_depth", [True, False])
def test_a_request_arrives_as_it_was_sent(with_depth: bool) -> None:
    frames = frames_of(BallBeforeWall(), sideways(2, turn_rad=0.1), with_depth=with_depth)
    request = dataclasses.replace(request_for("grüße\n", deadline_s=0.1), references=frames)
    got = request_of_message(sent(message_of_request(request)))
    for name in ("request_id", "epoch", "base_version", "seed", "prompt", "deadline_s"):
        assert getattr(got, name) == getattr(request, name)
    assert got.cameras.intrinsics == request.cameras.intrinsics
    np.testing.assert_array_equal(got.cameras.world_from_camera, request.cameras.world_from_camera)
    np.testing.assert_array_equal(got.time_s, request.time_s)
    for name in ("rgb", "depth_m", "index", "coverage"):
        np.testing.assert_array_equal(getattr(got.projection, name), getattr(request.projection, name))
    assert_same_frames(got.references, frames)
    assert_same_frames(got.preceding, request.preceding)


@pytest.mark.parametrize(
    "event",
    [
        Sign.READY,
        Sign.ALIVE,
        Progress(request_id=3, stage="denoise", done=2, total=9),
        Failure(request_id=3, epoch=1, kind="raised", message="no", detail="line 1\nline 2"),
    ],
)
def test_an_event_arrives_as_it_was_sent(event: Event) -> None:
    assert event_of_message(sent(message_of_event(event))) == event


def test_a_clip_arrives_as_it_was_sent() -> None:
    rgb = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    clip = event_of_message(sent(message_of_event(Clip(request_id=5, rgb=rgb))))
    assert isinstance(clip, Clip)
    assert clip.request_id == 5
    np.testing.assert_array_equal(clip.rgb, rgb)


MESSAGE = bytes_of(message_of_event(Clip(request_id=5, rgb=np.ones((1, 2, 2, 3), dtype=np.uint8))))


@settings(derandomize=True, deadline=None)
@given(st.integers(0, len(MESSAGE) - 1))
def test_a_message_cut_short_is_the_end_of_the_stream(length: int) -> None:
    assert read_message(io.BytesIO(MESSAGE[:length])) is None


def test_a_stray_write_is_named_as_one() -> None:
    with pytest.raises(GenerationError, match="starts with b'loading '"):
        read_message(io.BytesIO(b"loading weights: 10%"))


@pytest.mark.parametrize(("dtype", "shape"), [("object", [1]), ("uint8", [1 << 35]), ("uint8", [-1, 4])])
def test_an_array_of_a_strange_kind_or_size_takes_no_memory(dtype: str, shape: list[int]) -> None:
    header = f'{{"kind": "clip", "fields": {{}}, "arrays": [["rgb", "{dtype}", {shape}]]}}'.encode()
    with pytest.raises(GenerationError, match="announces"):
        read_message(io.BytesIO(b"spgw" + len(header).to_bytes(4, "little") + header))
