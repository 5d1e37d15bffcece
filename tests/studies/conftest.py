"""Writes run directories as `fastflow sample` does, without generating anything."""

import json

import numpy as np
import pytest
import yaml
from written_runs import config_of, row_of

from fastflow.evaluation.measurement import SampleRow


@pytest.fixture
def write_run(tmp_path):
    """Returns a function that writes a run: its folder, its PSNRs or rows, its settings."""

    def write(name, samples, summary=True, **settings):
        path = tmp_path / name
        path.mkdir(parents=True)
        seed = settings.get("seed", 0)
        rows = [
            s if isinstance(s, SampleRow) else row_of(i, s, seed=seed)
            for i, s in enumerate(samples)
        ]
        (path / "config.yaml").write_text(yaml.safe_dump(config_of(**settings)))
        lines = "".join(json.dumps(row.to_json()) + "\n" for row in rows)
        (path / "samples.jsonl").write_text(lines)
        if summary:
            (path / "summary.json").write_text(json.dumps({"samples": len(rows)}))
        return path

    return write


@pytest.fixture
def write_grid(write_run, tmp_path):
    """Returns a function that writes two policies, three values of mu and three seeds."""

    def write():
        random = np.random.default_rng(0)
        for policy, better in (("ucb", 2.0), ("epsilon_greedy", 0.0)):
            for mu in (0.1, 0.3, 1.0):
                for seed in (0, 100, 200):
                    psnrs = 30 + better + random.normal(0, 1, 10) + np.arange(10)
                    rows = [
                        row_of(i, psnr, sorted({0, 11, *random.choice(11, 5).tolist()}), seed=seed)
                        for i, psnr in enumerate(psnrs.tolist())
                    ]
                    path = write_run(
                        f"{policy}/{mu}/{seed}", rows, policy=policy, mu=mu, seed=seed
                    )
                    _write_records(path, rows, random)
        return [tmp_path / "ucb", tmp_path / "epsilon_greedy"]

    return write


def _write_records(path, rows, random):
    with (path / "records.jsonl").open("w") as file:
        for row in rows:
            for step, arm in zip(row.computed, row.arms):
                line = {"sample": row.index, "step": step, "arm": arm, "landing": step + arm + 1}
                line |= {"error": 0.1, "exposure": 1.0, "taken": True, "reward": random.random()}
                file.write(json.dumps(line) + "\n")
