"""How a person in a window comes by clips: by a key, by what is typed, by a policy, and again where a worker was lost.

Main thread. What returns text says it to the person; an empty text says nothing.
"""

from spatia.app.places import instruction_at
from spatia.app.session import REMEMBER, Session
from spatia.app.state import Trajectory, Walker
from spatia.control.policy import PolicyState, decide
from spatia.geom.camera import Cameras
from spatia.input.live import LiveSource
from spatia.records.control import Generate
from spatia.records.generation import Failure

RECENT_POSES = 48
TRIES = 3  # for one clip, where each time the worker is lost
LOST = ("killed", "hung")  # the same request may well succeed; every other failure would come again


class Asking:
    """The wishes of one walk."""

    def __init__(self, session: Session, source: LiveSource) -> None:
        self._session = session
        self._source = source
        self._policy = PolicyState(policy=session.scene.generation.policy)
        self._said = False  # the wish came with an instruction of its own
        self._lost = 0  # workers, since the last clip

    @property
    def policy(self) -> str:
        return self._policy.policy.replace("_", " ")

    @property
    def wishing(self) -> bool:
        """A clip is wished for that has not begun."""
        return self._policy.wish is not None

    def generate(self, prompt: str | None = None) -> str:
        """A clip along the way walked since the last one; without a prompt the last one goes on."""
        if len(self._trajectory.poses) < 2:
            return "walk a few steps first: a clip is made along the way walked"
        wanted = self._policy.prompt if prompt is None else prompt
        self._policy = self._policy.wishing(Generate(prompt=wanted))
        self._said = prompt is not None
        self._lost = 0
        return f"asked for a clip{f': {wanted}' if wanted else ''}"

    def tick(self) -> None:
        """Order what is due. What goes on with an earlier instruction takes that of the place instead."""
        session, poses = self._session, self._trajectory.poses
        _, walker = next(session.world.query(Walker))
        recent = poses[-RECENT_POSES:] if len(poses) else walker.world_from_camera[None]
        decision = decide(
            self._policy,
            tick=session.world.tick,
            walked_frames=len(poses),
            in_flight=not session.is_idle or self._source.waiting > 0,
            recent=Cameras(world_from_camera=recent, intrinsics=session.intrinsics),
            clip_frames=session.scene.generation.clip_frames,
            coverage=session.coverage,
            least_coverage=session.scene.generation.coverage_below,
        )
        said, self._policy = self._said and self.wishing, decision.state
        if decision.generate is not None:
            there = None if said else instruction_at(session.scene.prompts, walker.world_from_camera)
            session.push(decision.generate if there is None else Generate(prompt=there))

    def made(self) -> None:
        self._lost = 0

    def failed(self, failure: Failure) -> str:
        """A clip whose worker was lost is asked for again, unless something newer is wished for."""
        said = f"no clip ({failure.kind}): {failure.message.partition(chr(10))[0]}"
        if failure.kind not in LOST:
            return said
        self._lost += 1
        if self._lost >= TRIES or self.wishing:
            return said
        self._policy = self._policy.wishing(Generate(prompt=self._trajectory.prompt))
        self._said = True
        return f"{said}; asked for it again"

    def switch_policy(self) -> str:
        self._policy = self._policy.switched()
        return f"clips {self.policy}"

    def cancel(self) -> str:
        progress = self._session.progress()
        if progress is None:
            return "no clip is in the making"
        if progress.stage == REMEMBER:
            return "the clip is made already; undo the round when it is in"
        self._session.cancel()
        return "asked to give up the clip in the making"

    @property
    def _trajectory(self) -> Trajectory:
        return self._session.world.resource(Trajectory)
