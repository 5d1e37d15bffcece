"""The configuration and the rows of runs as `fastflow sample` writes them."""

from fastflow.evaluation.measurement import SampleRow
from fastflow.sampling.sample import Seconds

STEPS = 12


def config_of(policy="ucb", mu=0.1, seed=0, model="mixture", **more):
    reward = {"component": "normalised", "mu": mu}
    own = {"gamma": 0.03} if policy == "ucb" else {"epsilon": 0.1}
    return {
        "steps": STEPS,
        "seed": seed,
        "out": f"runs/{policy}-{mu}-{seed}",
        "names": {"model": model, "policy": policy, "benchmark": None},
        "policy": {"component": policy, "reward": reward, **own},
        **more,
    }


def row_of(index, psnr, computed=(0, 3, 6, 11), prompt=None, seed=0, **more):
    return SampleRow(
        index=index,
        calls=len(computed),
        computed=tuple(computed),
        prompt=f"prompt {index}" if prompt is None else prompt,
        seed=seed + index,
        calls_full=STEPS,
        seconds=Seconds(denoise=0.25),
        seconds_full=Seconds(denoise=0.5),
        **{"metrics": {"psnr_db": psnr}, **more},
    )
