"""`spatia walk`: a person at a window, one more source of orders for the same session. Runs on the main thread.

Each frame: poll the window, turn what was held and pressed into orders, let the session tick as often as time has
passed, draw. Whatever changes the world is an order of the session, so a script can do it too.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from spatia.app.asking import Asking
from spatia.app.editing import Editing, next_file, one_line
from spatia.app.film import Film
from spatia.app.hud import Eta, hud_lines
from spatia.app.line_editor import LineEditor
from spatia.app.session import Session
from spatia.app.state import Trajectory, Walker
from spatia.app.systems import Committed
from spatia.app.things import completed
from spatia.clock import Clock
from spatia.control.collision import softened
from spatia.control.steering import Steering
from spatia.control.walk import step_pose
from spatia.errors import GenerationError, SpatiaError
from spatia.geom.pose import F64
from spatia.input.bindings import Bindings
from spatia.input.live import LiveSource
from spatia.records.arrays import F32, U8
from spatia.records.control import Motion
from spatia.records.edits import Edit, OfClip, Remove
from spatia.records.generation import Failure
from spatia.records.input import ENTER, ESCAPE, InputSnapshot
from spatia.render.pace import Pace
from spatia.render.view import ColorBy, Drawn, PictureMode, View, window_lens

NOTICE_S = 6.0
REST_S = 0.15  # without a motion; a mouse that is moved slowly has frames between two of its steps
COLORS: tuple[ColorBy, ...] = ("rgb", "coverage", "provenance")
PICTURES: tuple[PictureMode, ...] = ("off", "beside", "over")


class WindowLike(Protocol):
    """What a walk needs of a window."""

    @property
    def size_px(self) -> tuple[int, int]: ...

    def poll(self) -> InputSnapshot: ...

    def swap(self) -> None: ...

    def capture_mouse(self, captured: bool) -> None: ...


class Painter(Protocol):
    """What draws, and gives back what it drew."""

    def draw(self, view: View, *, size_px: tuple[int, int]) -> Drawn: ...

    def read_pixels(self, *, size_px: tuple[int, int]) -> U8: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What is shown, and how. Nothing of it changes the world."""

    color_by: ColorBy = "rgb"
    picture: PictureMode = "beside"
    holes: bool = False
    grid: bool = False
    frusta: bool = True
    help: bool = False


class Walk:
    """One person's walk in one session."""

    def __init__(
        self,
        session: Session,
        source: LiveSource,
        window: WindowLike,
        painter: Painter,
        *,
        bindings: Bindings,
        clock: Clock,
        folder: Path,
        film: Path | None = None,
        save_edits: Callable[[Sequence[Edit]], None] | None = None,
        things: Sequence[Path] = (),
        log: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`source` is the session's. `folder` takes screenshots and films; a film to `film` begins at once.

        `save_edits` writes edits into the scene file; None where the walk has none. `things` are PLY files to insert.
        `log` is told all that the corner of the window says.
        """
        self._session = session
        self._source = source
        self._window = window
        self._painter = painter
        self._bindings = bindings
        self._clock = clock
        self._folder = folder
        self._log = log
        self._film = None if film is None else Film(film, fps=session.scene.fps)
        self._steering = Steering(tick_s=1.0 / session.scene.fps)
        self._looks = Looks()
        self._now_s = clock.now_s()
        self._frame_s = 0.0
        self._eta = Eta()
        self._notice, self._notice_until_s = "", 0.0
        self.asking = Asking(session, source)
        self.editing = Editing(session, folder=folder, save=save_edits, things=things)
        self._lines = {
            "prompt": LineEditor("instruction for the next round; Enter asks, Esc leaves", self.asking.generate),
            "name_thing": LineEditor(
                "a PLY file to insert; Enter takes it, Tab completes, Esc leaves",
                self.editing.name_thing,
                complete=completed,
            ),
        }
        self._line: LineEditor | None = None  # that takes what is typed
        self._clip: tuple[U8, float] | None = None  # the last clip's frames, and when it came
        self._clips: list[int] = []  # of this walk, that are in the memory
        self._pace = Pace()
        self._drawn_from: F64 | None = None  # the pose of the last picture
        self._rests_from_s = self._now_s
        self._moving = False  # when that picture was drawn
        self._drawn = Drawn(points_drawn=0, bytes_uploaded=0, pages_waiting=0)
        self._mouse_free = False
        self.ended = False
        window.capture_mouse(True)

    def run(self) -> None:
        """Until the window is closed or left."""
        try:
            while not self.ended:
                self.frame()
            self._leave()
        finally:
            if self._film is not None:
                self._log(self._film.close())

    def _leave(self) -> None:
        """Give up the clip in the making, and do the edits that waited for it: none is lost."""
        self._session.cancel()
        with suppress(GenerationError):
            self._session.finish()
        while self._source.waiting:
            self._tick()

    def frame(self) -> None:
        """One frame of the window: input, as many ticks as are due, a picture."""
        now_s = self._clock.now_s()
        elapsed_s, self._now_s = now_s - self._now_s, now_s
        self._frame_s = 0.9 * self._frame_s + 0.1 * elapsed_s if self._frame_s else elapsed_s
        if self._moving:
            self._pace.frame(elapsed_s, points=self._drawn.points_drawn, pixels=math.prod(self._window.size_px))
        else:
            self._pace.rest()
        seen = self._window.poll()
        self._react(seen)
        self._steering, motions = self._steering.advance(seen, elapsed_s, pitch_rad=self._pitch_rad())
        for motion in motions:
            if motion != Motion():
                self._session.push(self._softened(motion))
            self.asking.tick()
            self._tick()
        self._draw(seen, ticks=len(motions))
        self._window.swap()

    @property
    def at_rest(self) -> bool:
        """No clip is in the making, owed or wished for, and no edit waits."""
        return self._session.is_idle and not self._source.waiting and not self.asking.wishing

    # -- what a person asks for -----------------------------------------------------------------------------------

    def _react(self, seen: InputSnapshot) -> None:
        self.ended = self.ended or seen.closing
        for note in seen.notes:
            self.say(note)
        letters = iter(seen.typed)
        self._type(letters)
        for action in seen.pressed:
            if action in self._lines:
                self._line = self._lines[action]
                self._type(letters)
            elif action in HANDLERS:
                HANDLERS[action](self)
        if not seen.typing:
            self._line = None

    def _type(self, letters: Iterator[str]) -> None:
        """Into the open line, up to its end; the letters after it are those of a line begun later."""
        while self._line is not None and (letter := next(letters, "")):
            self.say(self._line.type(letter))
            if letter in (ENTER, ESCAPE):
                self._line = None

    def undo_round(self) -> None:
        if not self._clips:
            self.say("there is no round to take back")
            return
        clip = self._clips.pop()
        self.editing.do(Remove(where=OfClip(clip=clip)))
        self.say(f"clip {clip} is taken out of the memory; undo brings it back")

    def record(self) -> None:
        """Begin a film, or end it."""
        if self._film is not None:
            said, self._film = self._film.close(), None
            self.say(said)
            return
        self._film = Film(next_file(self._folder, "film", "mp4"), fps=self._session.scene.fps)
        self.say("filming")

    def free_mouse(self) -> None:
        """Once frees the mouse, twice ends the walk."""
        if self._mouse_free:
            self.ended = True
            return
        self._mouse_free = True
        self._window.capture_mouse(False)
        self.say("the mouse is free; Esc again ends the walk")

    def select(self) -> None:
        """By what stands in the middle of the view; a click into the window first takes the mouse again."""
        if self._mouse_free:
            self._mouse_free = False
            self._window.capture_mouse(True)
            self.say("the mouse looks around again")
            return
        self.say(self.editing.select(self.pose()))

    def screenshot(self) -> None:
        try:
            path = next_file(self._folder, "screenshot", "png")
            Image.fromarray(self._painter.read_pixels(size_px=self._window.size_px)).save(path)
        except OSError as error:
            self.say(f"no screenshot: {error.strerror}")
            return
        self.say(f"{path.name} written")

    def cycle(self, name: str, choices: Sequence[str]) -> None:
        following = choices[(choices.index(getattr(self._looks, name)) + 1) % len(choices)]
        self._looks = replace(self._looks, **{name: following})  # type: ignore[arg-type]  # of the field's own choices

    def toggle(self, name: str) -> None:
        self._looks = replace(self._looks, **{name: not getattr(self._looks, name)})  # type: ignore[arg-type]

    def _softened(self, motion: Motion) -> Motion:
        """A walker feels walls; one who flies goes through them."""
        if self._steering.mode == "fly":
            return motion
        return softened(motion, self._session.snapshot(), self._walker_pose(), dt_s=self._steering.tick_s)

    # -- the session's answers ------------------------------------------------------------------------------------

    def _tick(self) -> None:
        try:
            mail = self._session.tick()
        except SpatiaError as error:  # an edit that cannot be done; the world is as it was
            self.say(one_line(error))
            return
        for committed in mail.read(Committed):
            result = committed.result
            self._clip = (result.archived.frames.rgb, self._now_s)
            self._clips.append(result.order.clip)
            self.asking.made()
            self.say(
                "; ".join((f"clip {result.order.clip}: the memory knew {result.coverage:.0%} of it", *result.notes))
            )
        for failure in mail.read(Failure):
            self.say(self.asking.failed(failure))

    def say(self, text: str) -> None:
        """In the corner, for a while. Nothing to say leaves what stands there."""
        if not text:
            return
        self._notice, self._notice_until_s = text, self._now_s + NOTICE_S
        self._log(text)

    # -- the picture ----------------------------------------------------------------------------------------------

    def _draw(self, seen: InputSnapshot, *, ticks: int) -> None:
        width_px, height_px = self._window.size_px
        if not width_px or not height_px:  # minimised
            self._moving = False
            return
        snapshot, pose = self._session.snapshot(), self.pose()
        if self._drawn_from is not None and not np.array_equal(pose, self._drawn_from):
            self._rests_from_s = self._now_s + REST_S
        self._drawn_from, self._moving = pose, self._now_s < self._rests_from_s
        progress = self._session.progress()
        panel: tuple[str, ...] = ()
        if self._line is not None:
            panel = self._line.panel
        elif self._looks.help:
            panel = ("keys", *self._bindings.help_lines())
        view = View(
            cloud=snapshot,
            world_from_camera=pose,
            most_points=self._pace.most_points if self._moving else None,
            coarse=self._moving and self._pace.coarse,
            intrinsics=window_lens(self._session.intrinsics, (width_px, height_px)),
            color_by=self._looks.color_by,
            holes=self._looks.holes,
            grid=self._looks.grid,
            path_in_world=self._path() if self._looks.frusta else NOWHERE,
            picture=self._playing(),
            picture_mode=self._looks.picture,
            highlighted=self.editing.pointing.shown,
            hud=hud_lines(
                frame_s=self._frame_s,
                mode=f"{self._steering.mode} x{self._steering.pace:.1f}, {self.asking.policy}, "
                f"{self.editing.pointing.tool}" + (", filming" if self._film is not None else ""),
                snapshot=snapshot,
                drawn=self._drawn,
                progress=progress,
                left_s=self._eta.left_s(progress, now_s=self._now_s),
                waiting=self._source.waiting,
                notice=self._notice if self._now_s < self._notice_until_s else "",
            ),
            panel=panel,
        )
        self._drawn = self._painter.draw(view, size_px=(width_px, height_px))
        if self._film is not None and ticks:
            frame = self._painter.read_pixels(size_px=(width_px, height_px))
            for _ in range(ticks):
                self._film.put(frame)
            if self._film.problem:
                self.record()

    def _walker_pose(self) -> F64:
        _, walker = next(self._session.world.query(Walker))
        return walker.world_from_camera

    def pose(self) -> F64:
        """Where the walker is, with what has passed of the next tick."""
        ahead = self._softened(self._steering.ahead)
        return step_pose(self._walker_pose(), ahead, dt_s=self._steering.tick_s)

    def _pitch_rad(self) -> float:
        return math.asin(float(np.clip(-self._walker_pose()[1, 2], -1.0, 1.0)))

    def _path(self) -> F32:
        poses = self._session.world.resource(Trajectory).poses
        return poses[:, :3, 3].astype(np.float32)

    def _playing(self) -> U8 | None:
        """The frame of the last clip that is due; the clip begins again when it ends."""
        if self._clip is None:
            return None
        frames, since_s = self._clip
        frame: U8 = frames[int((self._now_s - since_s) * self._session.scene.fps) % len(frames)]
        return frame


NOWHERE: F32 = np.empty((0, 3), np.float32)

HANDLERS: dict[str, Callable[[Walk], None]] = {
    "generate": lambda walk: walk.say(walk.asking.generate()),
    "cancel": lambda walk: walk.say(walk.asking.cancel()),
    "undo_round": Walk.undo_round,
    "select": Walk.select,
    "next_tool": lambda walk: walk.say(walk.editing.pointing.next_tool()),
    "move": lambda walk: walk.say(walk.editing.move(walk.pose())),
    "duplicate": lambda walk: walk.say(walk.editing.duplicate(walk.pose())),
    "insert": lambda walk: walk.say(walk.editing.insert()),
    "next_thing": lambda walk: walk.say(walk.editing.next_thing()),
    "delete": lambda walk: walk.say(walk.editing.delete()),
    "recolor": lambda walk: walk.say(walk.editing.recolor()),
    "undo": lambda walk: walk.editing.undo(),
    "redo": lambda walk: walk.editing.redo(),
    "save": lambda walk: walk.say(walk.editing.save()),
    "policy": lambda walk: walk.say(walk.asking.switch_policy()),
    "record": Walk.record,
    "holes": lambda walk: walk.toggle("holes"),
    "grid": lambda walk: walk.toggle("grid"),
    "frusta": lambda walk: walk.toggle("frusta"),
    "help": lambda walk: walk.toggle("help"),
    "color_by": lambda walk: walk.cycle("color_by", COLORS),
    "picture": lambda walk: walk.cycle("picture", PICTURES),
    "screenshot": Walk.screenshot,
    "free_mouse": Walk.free_mouse,
}
