from spatia.app.hud import Eta
from spatia.records.generation import Progress


def at(stage: str, done: int) -> Progress:
    return Progress(request_id=0, stage=stage, done=done, total=10)


def test_the_time_left_follows_from_the_pace_of_the_stage() -> None:
    eta = Eta()
    assert eta.left_s(at("denoise", 2), now_s=100.0) is None, "nothing to tell it by yet"
    assert eta.left_s(at("denoise", 2), now_s=101.0) is None
    assert eta.left_s(at("denoise", 4), now_s=104.0) == 12.0, "two steps in four seconds, six to go"


def test_a_new_stage_or_clip_begins_anew() -> None:
    eta = Eta()
    eta.left_s(at("denoise", 1), now_s=0.0)
    assert eta.left_s(at("decode", 3), now_s=5.0) is None
    eta.left_s(at("decode", 4), now_s=6.0)
    assert eta.left_s(at("decode", 0), now_s=7.0) is None
    assert eta.left_s(None, now_s=8.0) is None
