"""Whether graded scores tell fewer steps from more on the minis; see README.md.

Run with ``python experiments/graded_scores/analysis.py``. Each mini answers the same prompts from
the same noise in fewer and fewer Euler steps; writes result.json and table.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fastflow import Request
from fastflow.evaluation import Metric
from fastflow.evaluation.bootstrap import bootstrap_mean
from fastflow.sampling import Video
from fastflow_minis.evaluate import EVALUATIONS, generate_answers
from fastflow_minis.worlds.drawing import render_scene
from fastflow_minis.zoo import folder
from fastflow_plugins.metrics import Edits, Scenes, Videos

OUT = Path("runs/analysis/graded_scores")  # nothing committed is overwritten unless --out says so
STEPS = (50, 25, 14, 10, 7, 5, 3)
MINIS: dict[str, tuple[Metric, float, int]] = {
    "flux_mini": (Scenes(), 2.0, 96),
    "kontext_mini": (Edits(), 1.0, 96),
    "hunyuan_video_mini": (Videos(), 2.0, 64),
}
"""The metric of each mini, its scale of true guidance, and the number of its prompts."""

SMALLER_IS_BETTER = (
    "colour_distance",
    "background_noise",
    "unasked_change",
    "path_deviation_px",
    "flicker",
)
WHOLE = ("score", "object", "colour", "direction", "speed", "background", "g_sc", "g_pq", "g_o")
"""The scores that judge right or wrong; shown of these is ``score``."""


def main() -> None:
    """Generates, measures, and writes what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minis", nargs="+", choices=MINIS, default=list(MINIS))
    parser.add_argument("--prompts", type=int, help="of each mini, instead of its own number")
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help="where the results go; the committed ones are in experiments/graded_scores",
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "result.json"
    values = json.loads(path.read_text()) if path.is_file() else {}
    for mini in options.minis:
        values[mini] = measure(mini, options.prompts or MINIS[mini][2])
        path.write_text(json.dumps(values) + "\n")
    text = "\n".join(line for mini in values for line in section(mini, values[mini])) + "\n"
    (options.out / "table.md").write_text(text)
    print(text, options.out, sep="\n")


def measure(mini: str, prompts: int) -> dict[str, dict[str, list[float]]]:
    """Returns every sample's numbers, by the number of steps and the name of the measure."""
    metric, scale, _ = MINIS[mini]
    evaluation = EVALUATIONS[mini]
    model = evaluation.load(folder(mini), "cpu")
    model.set_progress_bar_config(disable=True)
    questions = evaluation.questions(prompts)
    found = {}
    for steps in STEPS:
        answers = generate_answers(evaluation, model, questions, steps, scale, 24)
        rows = [score(metric, a, q) for a, q in zip(answers, questions, strict=True)]
        found[str(steps)] = {name: [round(row[name], 5) for row in rows] for name in rows[0]}
    return found


def score(metric: Metric, answer: np.ndarray, question: Any) -> dict[str, float]:
    """Returns what a metric gives for an answer, in 8 bits as in a run."""
    pixels = np.rint(answer * 255).astype(np.uint8)
    if pixels.ndim == 4:
        output: Any = Video(tuple(map(Image.fromarray, pixels)), fps=8.0)
    else:
        output = Image.fromarray(pixels)
    if not hasattr(question, "instruction"):
        return metric.score(output, Request(0, question.text, 0))
    source = Image.fromarray(render_scene(question.source))
    return metric.score(output, Request(0, question.instruction.text, 0, image=source))


def section(mini: str, found: dict[str, dict[str, list[float]]]) -> Iterator[str]:
    """Yields a mini's tables: the means, and the paired differences to the most steps."""
    names = shown(found)
    first = str(STEPS[0])
    yield f"## {mini}, {len(found[first]['score'])} prompts\n"
    yield from _head(["steps", *names])
    for steps, values in found.items():
        cells = [interval(values[name], name) for name in names]
        yield f"| {' | '.join([steps, *cells])} |"
    yield f"\nPaired differences to {first} steps; bold if the interval leaves out 0.\n"
    yield from _head(["steps", *names])
    for steps, values in list(found.items())[1:]:
        cells = [change(values[name], found[first][name], name) for name in names]
        yield f"| {' | '.join([steps, *cells])} |"
    yield "\nTheir medians, and the largest one's share of the mean if it is between 0 and 1.\n"
    yield from _head(["steps", *names])
    for steps, values in list(found.items())[1:]:
        cells = [typical(values[name], found[first][name], name) for name in names]
        yield f"| {' | '.join([steps, *cells])} |"
    yield ""
    yield from _head(["measure", "certainly worse from", "monotone in fewer steps"])
    for name in names:
        yield f"| `{name}` | {seen_from(found, name)} | {verdict(found, name)} |"
    yield ""


def shown(found: dict[str, dict[str, list[float]]]) -> list[str]:
    """Returns the measures of the table: the score, then those that grade."""
    names = next(iter(found.values()))
    return ["score", *(name for name in names if name not in WHOLE)]


def verdict(found: dict[str, dict[str, list[float]]], name: str) -> str:
    """Returns whether each decrease of the steps makes a measure worse, and where it is certain.

    A change is certain if the interval of the paired difference leaves out 0. A measure is
    monotone within the intervals if only what is uncertain contradicts it.
    """
    sign = -1 if name in SMALLER_IS_BETTER else 1
    changes: dict[bool, list[str]] = {True: [], False: []}
    sure = set()
    for more, fewer in zip(list(found), list(found)[1:], strict=False):
        mean, low, high = _difference(found[fewer][name], found[more][name])
        certain = low > 0 or high < 0
        if mean:
            changes[mean * sign > 0].append(f"{more} to {fewer}" + " (certain)" * certain)
            sure |= {mean * sign > 0} if certain else set()
    parts = [
        f"{word} {', '.join(changes[better])}"
        for better, word in ((False, "worse"), (True, "better"))
        if changes[better]
    ]
    if not changes[True] and changes[False]:
        answer = "yes"
    else:
        answer = "within the intervals" if sure == {False} else "no"
    return "; ".join([answer, *parts])


def seen_from(found: dict[str, dict[str, list[float]]], name: str) -> str:
    """Returns the most steps that are certainly worse than the first number of steps."""
    sign = -1 if name in SMALLER_IS_BETTER else 1
    first, *others = found
    for steps in others:
        _, low, high = _difference(found[steps][name], found[first][name])
        if max(low * sign, high * sign) < 0:
            return f"{steps} steps"
    return "nowhere"


def interval(values: Sequence[float], name: str) -> str:
    """Formats a mean with its 95 % bootstrap interval."""
    mean, low, high = bootstrap_mean(values)
    form = _form(name)
    return f"{mean:{form}} ({low:{form}} to {high:{form}})"


def change(values: Sequence[float], others: Sequence[float], name: str) -> str:
    """Formats a mean paired difference with its 95 % bootstrap interval."""
    mean, low, high = _difference(values, others)
    form = "+" + _form(name)
    text = f"{mean:{form}} ({low:{form}} to {high:{form}})"
    return f"**{text}**" if low > 0 or high < 0 else text


def typical(values: Sequence[float], others: Sequence[float], name: str) -> str:
    """Formats the median paired difference, and the largest as a share of their sum."""
    apart = np.subtract(values, others)
    total, largest = apart.sum(), apart[np.abs(apart).argmax()]
    share = f" ({largest / total:.0%})" if largest * total > 0 and largest / total < 1 else ""
    return f"{np.median(apart):+{_form(name)}}{share}"


def _difference(values: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    return bootstrap_mean([a - b for a, b in zip(values, others, strict=True)])


def _form(name: str) -> str:
    coarse = name in SMALLER_IS_BETTER and name != "flicker"
    return ".2f" if coarse else ".4f" if name == "flicker" else ".3f"


def _head(names: Sequence[str]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield "| --- " * len(names) + "|"


if __name__ == "__main__":
    main()
