"""`report.html`: one self-contained page about a run. It is built from `run.json` and the pictures handed in."""

import base64
import html
import io
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from PIL import Image

from spatia.records.arrays import U8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoundPictures:
    """What the report shows of one clip."""

    plan: U8  # [h, w, 3] the world from above
    projections: tuple[U8, ...]  # a few frames of what the memory knew…
    generated: tuple[U8, ...]  # …and of what was generated there


def write_report(path: Path, *, run: dict[str, Any], pictures: list[RoundPictures], poses: str, video: Path) -> None:
    """Write the page. `run` is the content of run.json, `poses` what `path_check` drew."""
    rounds = "\n".join(_round(number, run["rounds"][number], shown) for number, shown in enumerate(pictures))
    page = Template(files("spatia.app").joinpath("report_page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(run["scene"]),
        neural="a neural generator" if run["generator"]["neural"] else "not a neural generator",
        generator=html.escape(run["generator"]["name"]),
        facts=_facts(run),
        video=base64.b64encode(video.read_bytes()).decode("ascii"),
        loop=_loop(run["closed_loop"]),
        poses=poses,
        growth=_growth(run["rounds"]),
        timings=_timings(run["rounds"]),
        rounds=rounds,
        command=html.escape(run["command"]),
        environment="".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in sorted(run["fingerprint"].items())
        ),
    )
    path.write_text(page, encoding="utf-8")


def _facts(run: dict[str, Any]) -> str:
    frames = sum(round_["frames"][1] - round_["frames"][0] for round_ in run["rounds"])
    points = run["rounds"][-1]["points_total"] if run["rounds"] else 0
    facts = {
        "frames": f"{frames:,}",
        "clips": len(run["rounds"]),
        "points": f"{points:,}",
        "seed": run["seed"],
        "world": run["world_sha256"][:12],
    }
    return "".join(f"<li><b>{value}</b><span>{name}</span></li>" for name, value in facts.items())


def _loop(loop: dict[str, Any] | None) -> str:
    if loop is None:
        return "<p>The walk does not end where it began, so there is no closed loop to measure.</p>"
    return (
        f"<p>The walk ends where it began. Last frame against first: <b>PSNR {loop['psnr_db']:.2f} dB</b>, "
        f"<b>SSIM {loop['ssim']:.3f}</b>.</p>"
    )


def _growth(rounds: list[dict[str, Any]]) -> str:
    """Coverage and points round by round, as an inline SVG of bars."""
    width, height, gap = 640, 150, 14
    if not rounds:
        return ""
    bar = min(70.0, (width - gap) / len(rounds) - gap)
    most = max(round_["points_total"] for round_ in rounds) or 1
    parts = []
    for number, round_ in enumerate(rounds):
        x = gap + number * (bar + gap)
        known, total = round_["coverage"] * height, round_["points_total"] / most * height
        parts.append(
            f'<rect x="{x:.1f}" y="{height - known:.1f}" width="{bar / 2:.1f}" height="{known:.1f}" class="known"/>'
            f'<rect x="{x + bar / 2:.1f}" y="{height - total:.1f}" width="{bar / 2:.1f}" height="{total:.1f}" '
            f'class="points"/>'
            f'<text x="{x + bar / 2:.1f}" y="{height + 16}">{round_["coverage"]:.0%}</text>'
            f'<text x="{x + bar / 2:.1f}" y="{height + 32}">{round_["points_total"] / 1e3:,.0f} k</text>'
        )
    return f'<svg viewBox="0 0 {width} {height + 40}" role="img">{"".join(parts)}</svg>'


def _timings(rounds: list[dict[str, Any]]) -> str:
    stages = list(dict.fromkeys(stage for round_ in rounds for stage in round_["stage_s"]))
    head = "".join(f"<th>{html.escape(stage)}</th>" for stage in stages)
    rows = []
    for number, round_ in enumerate(rounds):
        cells = "".join(f"<td>{round_['stage_s'].get(stage, 0.0):.2f}</td>" for stage in stages)
        rows.append(f"<tr><th>clip {number}</th>{cells}<td><b>{sum(round_['stage_s'].values()):.2f}</b></td></tr>")
    return f"<table><tr><th>seconds</th>{head}<th>all</th></tr>{''.join(rows)}</table>"


def _round(number: int, round_: dict[str, Any], shown: RoundPictures) -> str:
    start, stop = round_["frames"]
    prompt = f"<p class='prompt'>{html.escape(round_['prompt'])}</p>" if round_["prompt"] else ""
    strips = "".join(
        f"<figure>{_picture(known)}{_picture(made)}</figure>"
        for known, made in zip(shown.projections, shown.generated, strict=True)
    )
    references = ", ".join(map(str, round_["references"])) or "none"
    return (
        f"<section class='round'><div>{_picture(shown.plan)}</div><div>"
        f"<h3>Clip {number}: frames {start} to {stop - 1}</h3>"
        f"{prompt}<p>The memory knew {round_['coverage']:.0%} of what this clip shows; "
        f"{round_['points_added']:,} points were new. Reference frames: {references}.</p>"
        f"<div class='strips'>{strips}</div></div></section>"
    )


def _picture(image: U8) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, format="JPEG", quality=85)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode("ascii")}">'
