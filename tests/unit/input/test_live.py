from spatia.input.live import LiveSource
from spatia.records.control import ApplyEdit, Generate, Motion
from spatia.records.edits import Undo


def test_motion_does_not_wait_behind_an_edit_and_an_edit_waits_for_the_clip_in_the_making() -> None:
    source = LiveSource()
    edit, motion = ApplyEdit(edit=Undo()), Motion(forward=1.0)
    source.push(edit, motion)
    assert source.poll(0, idle=False) == (motion,)
    assert source.poll(1, idle=False) == ()
    assert source.waiting == 1 and not source.exhausted
    source.push(motion)
    assert source.poll(2, idle=True) == (motion, edit), "one who walks on is heard too"
    assert source.exhausted


def test_a_newer_wish_for_a_clip_replaces_one_that_waits_and_keeps_the_order_of_edits() -> None:
    source = LiveSource()
    edit = ApplyEdit(edit=Undo())
    source.push(Generate(prompt="old"), edit, Generate(prompt="new"))
    assert source.poll(0, idle=True) == (edit,)
    assert source.poll(1, idle=True) == (Generate(prompt="new"),)


def test_clear_forgets_what_waits() -> None:
    source = LiveSource()
    source.push(Motion(), Generate())
    source.clear()
    assert source.exhausted and source.poll(0, idle=True) == ()
