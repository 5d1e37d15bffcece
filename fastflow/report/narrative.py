"""What the numbers of a run mean and what they cost, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from fastflow.evaluation.summary import LAST
from fastflow.report.key_figures import TIMES_SIGN, between, format_number
from fastflow.report.load import RunContent


def sentences(run: RunContent) -> list[tuple[str, bool]]:
    """Returns what the numbers mean and what they cost, and whether a clock gave the numbers."""
    parts = (_say_calls, _say_learning, _say_wall, _say_fidelity, _say_score, _say_limits)
    used = parts if run.good else (_say_calls, _say_limits)
    return [(text, part is _say_wall) for part in used if (text := _prose(part(run)))]


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


def _say_calls(run: RunContent) -> Iterator[str]:
    gain, mean, full = (run.number(n) for n in ("speedup_calls", "calls_mean", "calls_full"))
    if gain is None or mean is None or full is None:
        yield "No sample succeeded, so there is nothing to compare."
        return
    if gain <= 1.005:
        yield f"Skipping saved no network calls: {mean:.1f} a sample, as without it."
    else:
        bounds = run.interval("speedup_calls")
        yield (
            f"On {_count(len(run.good))}, skipping needed {mean:.1f} network calls a sample "
            f"instead of {full:.1f}: {gain:.2f} times fewer"
            + (f" (95 % interval {between(bounds, '{:.2f}')})." if bounds else ".")
        )
    if len(run.good) > LAST:
        recent, speed = (run.number(n, recent=True) for n in ("calls_mean", "speedup_calls"))
        yield f"Over the last {LAST} samples it was {recent:.1f} calls, {speed:.2f} times fewer."
    if run.branches > 1.05:
        yield (
            f"Guidance makes a computed step cost {run.branches:.3g} calls, with skipping and "
            "without."
        )


def _say_learning(run: RunContent) -> Iterator[str]:
    whole = sum(len(entry.computed) >= run.steps for entry in run.good)
    if run.memory and run.memory.get("key") is None:
        yield "The policy learns nothing, so there was no learning to pay for."
    elif whole:
        verb, its = ("was", "its") if whole == 1 else ("were", "their")
        yield (
            f"{_count(whole)} {verb} computed at every step, to learn from or because the policy "
            f"chose to; {its} calls are in the mean."
        )
    if any(entry.row.seconds_full for entry in run.good):
        yield "The full runs beside every sample only serve the comparison and are not counted."


def _say_wall(run: RunContent) -> Iterator[str]:
    gain, bounds = run.number("speedup_wall"), run.interval("speedup_wall")
    if gain is None:
        yield "There was no full run, so neither wall time nor fidelity could be compared."
        return
    about = bounds is not None and bounds[0] <= 1 <= bounds[1]
    if about:
        yield "By the clock, denoising took about as long as without skipping"
    elif gain >= 1:
        yield f"By the clock, denoising was {gain:.2f} times faster"
    else:
        yield f"By the clock, denoising was {1 / gain:.2f} times slower than without skipping"
    speed = "" if gain >= 1 and not about else f"{gain:.2f}{TIMES_SIGN}, "
    yield f"({speed}95 % interval {between(bounds, '{:.2f}')})." if bounds else "."
    calls = run.number("speedup_calls") or 1
    if gain < 0.85 * calls:
        yield (
            "The clock gains less than the calls: deciding, extrapolating and correcting take "
            "time too, and samples that skip differently cannot share a batch as well."
        )


def _say_fidelity(run: RunContent) -> Iterator[str]:
    value, worst = run.number("psnr_db"), run.number("psnr_db_min")
    same = int(run.number("psnr_db_identical") or 0)
    if value is not None:
        bounds = run.interval("psnr_db")
        yield f"The {run.outputs} are {value:.1f} dB PSNR from those of the full run with the "
        yield "same noise"
        yield f"(95 % interval {between(bounds, '{:.1f}')}):" if bounds else ":"
        yield f"{_seen(value)}."
    if value is not None and worst is not None:
        below = sum(entry.psnr is not None and entry.psnr < 30 for entry in run.good)
        count = f"{below} of {len(run.good)}" if below else "none"
        yield f"The lowest is {worst:.1f} dB; {count} fell below 30 dB, where changes are plain."
    if same:
        which = f"{_count(same, run.outputs[:-1])} {'is' if same == 1 else 'are'}"
        yield f"{which} identical to the full run's and not in that mean."


def _seen(psnr: float) -> str:
    """Says in words what a PSNR looks like, as a rule of thumb."""
    if psnr >= 45:
        return "as a rule of thumb, the difference cannot be seen"
    if psnr >= 36:
        return "as a rule of thumb, the difference is hard to see side by side"
    if psnr >= 30:
        return "as a rule of thumb, the difference can be seen on a close look"
    return "as a rule of thumb, the difference is plain"


def _say_score(run: RunContent) -> Iterator[str]:
    value, full = run.number("score"), run.number("score_full")
    if value is None:
        yield f"No task score was measured: whether the {run.outputs} do what was asked"
        yield "is not known."
        return
    if full is None:
        yield f"The mean score is {value:.3f}; there is none of full runs to compare with."
        return
    yield f"The mean score is {value:.3f} with skipping and {full:.3f} without"
    bounds = run.interval("score_difference")
    if bounds is None:
        yield "."
        return
    change = run.number("score_difference")
    yield f"(difference {format_number(change or 0.0, '{:+.3f}')}, {between(bounds, '{:+.3f}')}):"
    if bounds[1] < 0:
        yield "skipping costs some of it."
    elif bounds[0] > 0:
        yield "here skipping scored higher."
    elif bounds[0] == bounds[1] == 0:
        yield "no sample's score changed."
    else:
        yield "a difference that these samples cannot tell from none."


def _say_limits(run: RunContent) -> Iterator[str]:
    failed = len(run.entries) - len(run.good)
    if failed:
        verb = "sample" if failed == 1 else "samples"
        yield f"{failed} {verb} of {len(run.entries)} failed and are left out of every mean."
    if 0 < len(run.good) < 10:
        yield (
            f"{_count(len(run.good))} are too few for reliable intervals."
            if len(run.good) > 1
            else "One sample says nothing about others: there are no intervals."
        )


def _count(n: int, noun: str = "sample") -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    text = words[n] if n < len(words) else str(n)
    return f"{text} {noun}" if n == 1 else f"{text} {noun}s"
