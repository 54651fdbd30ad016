"""How fine a frame is drawn while somebody moves, judged by how long frames took. No clock: times are told.

A machine without a fast GPU draws a whole view in a tenth of a second. Fewer, larger discs at 30 frames a second are
better to walk by, and where those do not help a large window, a quarter of the pixels. Whoever stands still sees
everything.
"""

import statistics

FRAME_S = 1 / 30
SLOW, FAST = 1.15, 0.7  # shares of it between which nothing changes
PIXELS_A_POINT = 8  # at most: in software as many pixels cost more than a point, and fewer would only spoil the view
FRAMES = 5  # judged together, so that a single late one changes nothing
LEAST_STEP, MOST_STEP = 0.6, 1.25
LARGE_PX = 500_000  # windows of more pixels may be drawn coarse
IDLE = 0.25  # share of the time that a coarse frame takes where a fine one would do: it has four times the pixels


class Pace:
    """A budget of points, and of pixels, that follows the time of frames and is kept while somebody rests."""

    def __init__(self) -> None:
        self.most_points: int | None = None  # None: all that there are
        self.coarse = False  # half the size each way
        self._seconds: list[float] = []

    def frame(self, took_s: float, *, points: int, pixels: int) -> None:
        """A frame of somebody who moves, with so many points in a window of so many pixels, took so long."""
        self._seconds.append(took_s)
        if len(self._seconds) < FRAMES:
            return
        pace = statistics.median(self._seconds) / FRAME_S
        self._seconds.clear()  # what comes next is judged by itself
        fewest = pixels // PIXELS_A_POINT // (4 if self.coarse else 1)
        if pace > SLOW and points <= fewest and pixels > LARGE_PX:
            self.coarse = True
        elif pace > SLOW:
            self.most_points = max(int(points * max(1 / pace, LEAST_STEP)), fewest)
        elif pace < IDLE and self.coarse:
            self.coarse = False
        elif pace < FAST and self.most_points is not None and points > self.most_points // 2:  # few say nothing of many
            self.most_points = int(self.most_points * min(1 / pace, MOST_STEP))

    def rest(self) -> None:
        """A frame of somebody who stands still has all points, and says nothing of how fast fewer are."""
        self._seconds.clear()
