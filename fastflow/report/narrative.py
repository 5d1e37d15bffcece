"""Sentences on what the numbers of a run mean and what they cost."""

from __future__ import annotations

from collections.abc import Iterator

from fastflow.evaluation.summary import FLIP, IDENTICAL, LAST
from fastflow.report.key_figures import TIMES_SIGN, between, format_number
from fastflow.report.load import RunContent


def sentences(run: RunContent) -> list[tuple[str, bool]]:
    """Returns paragraphs on the run's numbers, each with whether it has clock readings."""
    parts = (_calls, _learning, _wall_time, _fidelity, _score, _limits)
    used = parts if run.good else (_calls, _limits)
    return [(text, part is _wall_time) for part in used if (text := _prose(part(run)))]


def _prose(parts: Iterator[str]) -> str:
    """Joins parts of sentences; numbers and their units stay on one line."""
    text = ""
    for part in parts:
        starts = not text or text.endswith((".", "!"))
        closes = part[0] in ".:,"
        text += part if closes or not text else f" {part}"
        if starts:
            text = text[: -len(part)] + part[0].upper() + part[1:]
    for unit in ("%", "dB", TIMES_SIGN.strip()):
        text = text.replace(f" {unit}", f"\N{NO-BREAK SPACE}{unit}")
    return text


def _calls(run: RunContent) -> Iterator[str]:
    gain, mean, reference = (run.number(n) for n in ("speedup_calls", "calls_mean", "calls_full"))
    if gain is None or mean is None or reference is None:
        yield "No sample succeeded, so there is nothing to compare."
        return
    if gain <= 1.005:
        yield f"Skipping saved no network calls: a sample took {mean:.1f}, as without skipping."
    else:
        bounds = run.interval("speedup_calls")
        yield (
            f"On average over {_count(len(run.good))}, a sample took {mean:.1f} network calls "
            f"instead of {reference:.1f}: {gain:.2f} times fewer"
            + (f" (95 % interval {between(bounds, '{:.2f}')})." if bounds else ".")
        )
    if len(run.good) > LAST:
        recent, speed = (run.number(n, recent=True) for n in ("calls_mean", "speedup_calls"))
        yield f"Over the last {LAST} samples it was {recent:.1f} calls, {speed:.2f} times fewer."
    if run.branches > 1.05:
        yield (
            f"With guidance, each computed step takes {run.branches:.3g} network calls, with and "
            "without skipping."
        )


def _learning(run: RunContent) -> Iterator[str]:
    unskipped = sum(len(entry.computed) >= run.steps for entry in run.good)
    if learning := run.number("learning_calls"):
        runs = run.number("learning_runs")
        yield f"Learning took {learning:.0f} network calls besides those of the samples"
        yield f"({runs:.1f} reference runs)." if runs is not None else "."
    elif run.memory and run.memory.get("key") is None:
        yield "The policy does not learn, so learning took no network calls."
    if unskipped and not (run.memory and run.memory.get("key") is None):
        subject, its = ("was", "its") if unskipped == 1 else ("were", "their")
        yield (
            f"{_count(unskipped)} {subject} computed at every step, as a warm-up or because the "
            f"policy chose to; {its} calls are included in the mean."
        )
    if any(entry.row.seconds_full for entry in run.good):
        yield "The reference runs serve only the comparison and are not included."


def _wall_time(run: RunContent) -> Iterator[str]:
    gain, bounds = run.number("speedup_wall"), run.interval("speedup_wall")
    if gain is None:
        yield "There were no reference runs, so wall time and fidelity could not be compared."
        return
    same = bounds is not None and bounds[0] <= 1 <= bounds[1]
    if same:
        yield "In wall time, denoising took about as long as without skipping"
    elif gain >= 1:
        yield f"In wall time, denoising was {gain:.2f} times faster"
    else:
        yield f"In wall time, denoising was {1 / gain:.2f} times slower than without skipping"
    speed = "" if gain >= 1 and not same else f"{gain:.2f}{TIMES_SIGN}, "
    yield f"({speed}95 % interval {between(bounds, '{:.2f}')})." if bounds else "."
    calls = run.number("speedup_calls") or 1
    if gain < 0.85 * calls:
        yield (
            "This is less than the gain in network calls: deciding, extrapolating and correcting "
            "also take time, and samples that compute different steps are batched less well."
        )


def _fidelity(run: RunContent) -> Iterator[str]:
    value, worst = run.number("psnr_db"), run.number("psnr_db_min")
    identical = int(run.number("psnr_db_identical") or 0)
    if value is not None:
        bounds = run.interval("psnr_db")
        yield f"The mean PSNR to the {run.outputs} of the reference runs, from the same noise, is"
        yield f"{value:.1f} dB"
        yield f"(95 % interval {between(bounds, '{:.1f}')}):" if bounds else ":"
        yield f"as a rule of thumb, {_visibility(value)}."
    if value is not None and worst is not None:
        yield from _low_end(run, worst)
    if identical:
        yield _count(identical, run.outputs[:-1])
        yield (
            "is identical to that of its reference run"
            if identical == 1
            else "are identical to those of their reference runs"
        )
        yield "and not included in that mean." if value is not None else "."


def _low_end(run: RunContent, worst: float) -> Iterator[str]:
    """Yields what the mean hides."""
    median, tenth = run.number("psnr_median_db"), run.number("psnr_p10_db")
    if median is not None and tenth is not None and IDENTICAL not in (median, tenth):
        yield f"Half of all {run.outputs} are above {median:.1f} dB, nine in ten above"
        yield f"{tenth:.1f} dB."
    flips = sum(entry.psnr is not None and entry.psnr < FLIP for entry in run.good)
    count = f"{flips} of {len(run.good)}" if flips else "none"
    yield f"The lowest is {worst:.1f} dB; {count} {'is a flip' if flips == 1 else 'are flips'},"
    yield f"below {FLIP:.0f} dB, where changes are plain to see."


def _visibility(psnr: float) -> str:
    """Returns how visible a difference of a PSNR is, as a rule of thumb."""
    if psnr >= 45:
        return "the difference is invisible"
    if psnr >= 36:
        return "the difference is hard to see even side by side"
    if psnr >= FLIP:
        return "the difference is visible on close inspection"
    return "the difference is plain to see"


def _score(run: RunContent) -> Iterator[str]:
    value, reference = run.number("score"), run.number("score_full")
    if value is None:
        yield f"No task score was measured, so these numbers do not show whether the {run.outputs}"
        yield "match their prompts."
        return
    if reference is None:
        yield f"The mean score is {value:.3f}; there are no reference scores to compare with."
        return
    yield f"The mean score is {value:.3f} with skipping and {reference:.3f} without"
    bounds = run.interval("score_difference")
    if bounds is None:
        yield "."
        return
    change = run.number("score_difference")
    yield f"(difference {format_number(change or 0.0, '{:+.3f}')}, {between(bounds, '{:+.3f}')}):"
    if bounds[1] < 0:
        yield "skipping lowers the score."
    elif bounds[0] > 0:
        yield "in this run, skipping scored higher."
    elif bounds[0] == bounds[1] == 0:
        yield "no sample's score changed."
    else:
        yield "the difference is not significant on these samples."


def _limits(run: RunContent) -> Iterator[str]:
    failed = len(run.entries) - len(run.good)
    if failed:
        verb = "is" if failed == 1 else "are"
        yield f"{failed} of {len(run.entries)} samples failed and {verb} left out of every mean."
    if 0 < len(run.good) < 10:
        yield (
            f"{_count(len(run.good))} are too few for reliable intervals."
            if len(run.good) > 1
            else "There are no intervals: one sample does not show how much samples vary."
        )


def _count(n: int, noun: str = "sample") -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    text = words[n] if n < len(words) else str(n)
    return f"{text} {noun}" if n == 1 else f"{text} {noun}s"
