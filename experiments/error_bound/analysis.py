"""How far skipping ends from the reference run, by the numbers of steps and of skipped ones.

Run: ``python experiments/error_bound/analysis.py``. Writes result.json and result.png.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from fastflow import Grid, Request
from fastflow.integration import NoCorrection, Reuse, Scheme, flow
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear, Quadratic
from fastflow_plugins.models import Mixture
from fastflow_plugins.policies import Schedule

OUT = Path("runs/analysis/error_bound")  # nothing committed is overwritten unless --out says so
METHODS = {
    f"{type(e).__name__.lower()}{mark}": (e, c)
    for e in (Reuse(), Linear(), Quadratic())
    for mark, c in (("", NoCorrection()), (" + 1", Interpolate()), (" + 2", Interpolate(order=2)))
}
NOISES = 8
START = 3  # the first steps are computed, so that every extrapolator has its whole history


def gaps(steps: int, count: int, length: int) -> frozenset[int]:
    """Returns the skipped steps of ``count`` gaps, spread evenly over the trajectory."""
    places = np.floor((np.arange(count) + 0.5) * (steps - START - 1) / count - length / 2)
    return frozenset(START + int(p) + i for p in places for i in range(length))


def scattered(steps: int, count: int, draws: int) -> tuple[frozenset[int], ...]:
    """Returns several draws of ``count`` gaps of two steps at random places, apart."""
    random = np.random.default_rng([steps, count])
    slots = np.arange(START, steps - 5, 5)  # two skipped steps, then three computed ones
    chosen = [random.choice(slots, count, replace=False) for _ in range(draws)]
    return tuple(frozenset(int(k) + i for k in some for i in (0, 1)) for some in chosen)


@functools.cache
def model(spread: float):
    """Returns the mixture in float64, and noises for it as one batch ``(B, D)``."""
    loaded = Mixture(spread=spread).load(dtype="float64")
    noises = [loaded.prepare(Request(index=i, prompt="", seed=i)).x for i in range(NOISES)]
    return loaded, torch.cat(noises)


@torch.no_grad()
def end(spread: float, steps: int, skipped: frozenset[int], how: str = "reuse"):
    """Returns where the noises end, ``(B, D)``, if the given steps are skipped.

    Raises:
        ValueError: if one of them has to be computed.
    """
    mixture, x = model(spread)
    grid = Grid(torch.linspace(1, 0, steps + 1, dtype=torch.float64))
    episode = Schedule(frozenset(range(steps)) - skipped)
    loop = flow(x, grid, Scheme(*METHODS[how]), episode)
    times = grid.model_times[:, None].expand(steps, NOISES)
    try:
        step = next(loop)
        while True:
            wanted = step.wants_model()
            v = mixture.velocity(step.x, times[step.k], ()) if wanted else None
            step = loop.send((step.x, v, mixture.advance))
    except StopIteration as stop:
        if len(stop.value.computed) != steps - len(skipped):
            raise ValueError(f"`skipped` {sorted(skipped)} contains a forced step.") from None
        return stop.value.x


@functools.cache
def full(spread: float, steps: int) -> torch.Tensor:
    """Returns where the noises end if no step is skipped."""
    return end(spread, steps, frozenset())


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Returns the root mean square of the noises' relative L2 distances."""
    return ((a - b).norm(dim=1) / b.norm(dim=1)).square().mean().sqrt().item()


def studies(small: bool = False) -> dict[str, list[tuple[int, tuple[frozenset[int], ...]]]]:
    """Returns every study's (steps, draws of skipped steps); its name says what varies."""
    sizes = (64, 128, 256) if small else (64, 128, 256, 512)
    draws = 1 if small else 6
    return {
        "T, |S| fixed": [(t, (gaps(t, 2, 3),)) for t in sizes],
        "T, |S| = T/4": [(t, (gaps(t, t // 8, 2),)) for t in sizes],
        "|S|, more gaps": [(128, scattered(128, n, draws)) for n in (1, 2, 4, 8, 16)],
        "|S|, longer gaps": [(256, (gaps(256, 4, m),)) for m in (2, 4, 8, 16)],
        "both": [(t, scattered(t, n, draws)) for t in sizes[:3] for n in (2, 4, 8)],
    }


def fit(points: list[dict]) -> dict[str, float]:
    """Fits ``log error = log C + a log |S| - b log T``, leaving out what does not vary."""
    s, t, e = (np.log([p[name] for p in points]) for name in ("skipped", "steps", "error"))
    columns, names = [np.ones_like(e)], ["log_c"]
    proportional = np.ptp(s - t) < 0.1  # then |S| and T cannot be told apart: one exponent of T
    if np.ptp(s) > 0.1 and not proportional:
        columns, names = [*columns, s], [*names, "a"]
    if np.ptp(t) > 0.1:
        columns, names = [*columns, -t], [*names, "b"]
    solution, *_ = np.linalg.lstsq(np.stack(columns, 1), e, rcond=None)
    left = float(np.sqrt(np.mean((np.stack(columns, 1) @ solution - e) ** 2)))
    return {n: float(v) for n, v in zip(names, solution)} | {"residual": left}


def measure(spread: float, small: bool = False, quiet: bool = False) -> list[dict]:
    """Runs every study with every method; returns one row a point."""
    work = [
        (study, how, steps, draws)
        for study, settings in studies(small).items()
        for steps, draws in settings
        for how in METHODS
    ]
    rows = []
    for study, how, steps, draws in tqdm(work, disable=quiet, desc=f"spread {spread}"):
        apart = [distance(end(spread, steps, one, how), full(spread, steps)) for one in draws]
        row = {"study": study, "method": how, "steps": steps, "skipped": len(draws[0])}
        rows.append(row | {"error": float(np.sqrt(np.mean(np.square(apart))))})
    return rows


def fits(rows: list[dict]) -> dict[str, dict[str, dict[str, float]]]:
    """Returns the fit of every study and method."""
    return {
        study: {
            how: fit([r for r in rows if (r["study"], r["method"]) == (study, how)])
            for how in METHODS
        }
        for study in dict.fromkeys(r["study"] for r in rows)
    }


def euler(spread: float) -> dict[str, float]:
    """Returns the reference run's relative error against the exact flow, per number of steps."""
    true = 2 * full(spread, 4096) - full(spread, 2048)
    return {str(t): distance(full(spread, t), true) for t in (64, 128, 256, 512)}


def additivity(spread: float) -> dict[str, dict[str, float]]:
    """Compares 8 gaps together with the same gaps one by one, at T = 128.

    Returns, per method and relative to what the gaps do together: the length of the sum of what
    each does alone, and the sum of the lengths.
    """
    steps, found = 128, {}
    every, truth = sorted(gaps(steps, 8, 2)), full(spread, steps)
    for how in METHODS:
        together = (end(spread, steps, frozenset(every), how) - truth).norm()
        pairs = [frozenset(every[i : i + 2]) for i in range(0, len(every), 2)]
        alone = torch.stack([end(spread, steps, pair, how) - truth for pair in pairs])
        lengths = alone.flatten(1).norm(dim=1).sum()
        parts = {"sum": alone.sum(0).norm() / together, "lengths": lengths / together}
        found[how] = {name: value.item() for name, value in parts.items()}
    return found


def table(found: dict) -> str:
    """Returns the fitted exponents as text, one method a line."""
    lines = [" " * 14 + "".join(f"{study:>18}" for study in found)]
    for how in METHODS:
        cells = (
            " ".join(f"{n}={found[study][how][n]:.2f}" for n in "ab" if n in found[study][how])
            for study in found
        )
        lines.append(f"{how:<14}" + "".join(f"{cell:>18}" for cell in cells))
    return "\n".join(lines)


def draw(rows: list[dict], path: Path) -> None:
    """Draws the error against T and against |S|, if matplotlib is installed."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        print("no picture: matplotlib is not installed", file=sys.stderr)
        return
    figure, axes = plt.subplots(1, 4, figsize=(16, 4), sharey=True)
    for axis, study in zip(axes, list(studies())[:4]):
        across = "steps" if study.startswith("T") else "skipped"
        for i, how in enumerate(METHODS):
            points = [r for r in rows if (r["study"], r["method"]) == (study, how)]
            style = {"color": f"C{i // 3}", "linestyle": ("-", "--", ":")[i % 3], "marker": "."}
            axis.loglog(*zip(*((p[across], p["error"]) for p in points)), label=how, **style)
        axis.set_xscale("log", base=2)
        axis.set(title=study, xlabel="T" if across == "steps" else "|S|")
    axes[0].set_ylabel("relative distance to the reference run")
    axes[-1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main() -> None:
    """Measures, fits, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help="where the results go; the committed ones are in experiments/error_bound",
    )
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    result = {}
    for name, spread in (("smooth", 0.5), ("stiff", 0.15)):
        rows = measure(spread)
        found = fits(rows)
        result[name] = {"spread": spread, "euler": euler(spread), "fits": found, "points": rows}
        result[name]["additivity"] = additivity(spread)
        print(f"\n{name}: spread {spread}\n{table(found)}")
        for how, parts in result[name]["additivity"].items():
            print(f"{how:<14} sum {parts['sum']:.2f}  lengths {parts['lengths']:.2f}")
        print("unskipped Euler run against the exact flow:", result[name]["euler"])
    (out / "result.json").write_text(json.dumps(result, indent=1))
    draw(result["smooth"]["points"], out / "result.png")
    print(out)


if __name__ == "__main__":
    main()
