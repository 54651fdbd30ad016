"""The scale, or scale and offset, that bring one depth to another in spite of what does not fit. Pure, any thread.

Both are fitted in inverse depth, ``known = scale * seen + offset``, where a network that knows depth only up to an
affine map is off by exactly these two. Among many guesses the one that most pixels follow starts a reweighted least
squares. A pixel that lies behind what is known speaks against a guess; one that lies before it does not, for something
may have come between.
"""

import numpy as np
import numpy.typing as npt

from spatia.records.arrays import F32, F64

TOLERANCE = 0.1  # of depth: what follows a guess
MOST_FITTED = 20_000  # pixels; more do not make it better
MOST_JUDGED = 4_000  # pixels that judge the guesses
SCALES = np.geomspace(0.02, 50, 400)  # 2 % apart
ENDS = 20  # far and near pixels each that guesses of scale and offset are drawn through
STEEPEST, FLATTEST = 3.0, 0.3  # of a guess, against no offset; a flat enough line would make a wall of any scene
ROUNDS = 10
GOLDEN = 0.6180339887498949


def fitted(known: F32 | F64, seen: F32 | F64, weight: F32 | F64, *, with_offset: bool) -> tuple[float, float]:
    """Scale and offset for inverse depths [N] > 0 with weights [N] >= 0; N > 0. The offset is 0 unless asked for.

    The reweighting is Tukey's biweight on the relative error (Beaton and Tukey 1974).
    """
    known, seen, weight = (
        array[_spread(len(known), MOST_FITTED)].astype(np.float64) for array in (known, seen, weight)
    )
    guesses = _guesses_through_pairs(known, seen) if with_offset else np.stack([SCALES, np.zeros_like(SCALES)], axis=1)
    scale, offset = _best(guesses, known, seen, weight)
    for _ in range(ROUNDS):
        error = (scale * seen + offset) / known - 1
        trust = weight * np.maximum(0, 1 - (error / (2 * TOLERANCE)) ** 2) ** 2 / known**2
        if not trust.sum() > 0:
            break
        if not with_offset:
            scale = float((trust * seen * known).sum() / (trust * seen**2).sum())
            continue
        middle, aim = (trust * seen).sum() / trust.sum(), (trust * known).sum() / trust.sum()
        spread = (trust * (seen - middle) ** 2).sum()
        slope = (trust * (seen - middle) * (known - aim)).sum() / spread if spread > 0 else 0
        if not slope > 0:
            break
        scale, offset = float(slope), float(aim - slope * middle)
    return scale, offset


def _guesses_through_pairs(known: F64, seen: F64) -> F64:
    """[M, 2] scale and offset of the lines through a far and a near pixel, and the one without an offset."""
    order = np.argsort(seen, kind="stable")
    third = max(1, len(order) // 3)
    far, near = (part[:: max(1, len(part) // ENDS)] for part in (order[:third], order[-third:]))
    far, near = (index.ravel() for index in np.meshgrid(far, near))
    run, rise = seen[near] - seen[far], known[near] - known[far]
    plain = float(np.median(known) / np.median(seen))
    slope = np.divide(rise, run, out=np.zeros_like(run), where=run > 0)
    likely = (slope > FLATTEST * plain) & (slope < STEEPEST * plain)
    through_pairs = np.stack([slope, known[far] - slope * seen[far]], axis=1)[likely]
    return np.concatenate([[[plain, 0.0]], through_pairs])


def _best(guesses: F64, known: F64, seen: F64, weight: F64) -> tuple[float, float]:
    known, seen, weight = (array[_spread(len(known), MOST_JUDGED)] for array in (known, seen, weight))
    scores = np.empty(len(guesses))
    for i, (scale, offset) in enumerate(guesses):
        ratio = (scale * seen + offset) / known  # below 1 behind what is known
        scores[i] = weight[np.abs(ratio - 1) < TOLERANCE].sum() - weight[ratio <= 1 - TOLERANCE].sum()
    scale, offset = guesses[np.argmax(scores)]
    return float(scale), float(offset)


def _spread(count: int, most: int) -> npt.NDArray[np.intp]:
    """At most `most` of `count` places, spread by the golden section so that they follow no raster."""
    if count <= most:
        return np.arange(count)
    return np.asarray(np.arange(most) * GOLDEN % 1 * count, dtype=np.intp)
