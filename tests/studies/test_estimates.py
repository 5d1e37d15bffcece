import math

import numpy as np
import pytest
from written_runs import row_of

from fastflow.evaluation.bootstrap import student
from fastflow.studies.grouping.section import sections_of
from fastflow.studies.reading.gather import gather

BASE = np.linspace(20, 40, 12)


def groups_of(*paths):
    (section,) = sections_of(gather(list(paths)).runs)
    return section, {group.label(): group for group in section.groups}


def test_prompts_that_differ_widen_the_first_interval_and_seeds_the_second(write_run, tmp_path):
    for i, seed in enumerate((0, 100, 200)):
        write_run(f"prompts/{seed}", BASE.tolist(), seed=seed, mu=0.1)
        write_run(f"seeds/{seed}", [30.0 + i] * 12, seed=seed, mu=0.3)
    _, groups = groups_of(tmp_path)
    prompts, seeds = (groups[f"mu {mu}"].estimates["psnr_db"] for mu in (0.1, 0.3))
    assert prompts.seeds == (prompts.mean, prompts.mean)
    assert prompts.prompts is not None
    spread = BASE.std() / math.sqrt(12)
    assert prompts.prompts[1] - prompts.mean == pytest.approx(1.96 * spread, rel=0.1)
    assert seeds.prompts is None
    assert seeds.seeds is not None
    assert seeds.mean == 31.0
    assert seeds.seeds[1] - seeds.mean == pytest.approx(student(2) / math.sqrt(3))
    assert seeds.of_seeds == (30.0, 31.0, 32.0)


def test_with_one_seed_there_is_no_interval_over_seeds(write_run, tmp_path):
    write_run("a", BASE.tolist())
    _, groups = groups_of(tmp_path)
    assert groups["all runs"].estimates["psnr_db"].seeds is None


def test_a_small_paired_difference_is_told_apart_and_an_unsure_one_is_a_tie(write_run, tmp_path):
    noise = np.random.default_rng(0).normal(0, 3, 12)
    write_run("best", (BASE + 0.2).tolist(), mu=1.0)
    write_run("shifted", BASE.tolist(), mu=2.0)
    write_run("noisy", (BASE + noise - noise.mean()).tolist(), mu=3.0)
    _, groups = groups_of(tmp_path)
    best = {label: group.estimates["psnr_db"].best for label, group in groups.items()}
    assert best == {"mu 1": True, "mu 2": False, "mu 3": True}


def test_fewer_calls_and_lower_distances_are_better(write_run, tmp_path):
    few = [row_of(i, 30.0, (0, 11), metrics={"lpips": 0.1 + i / 99}) for i in range(8)]
    many = [row_of(i, 30.0, (0, 5, 11), metrics={"lpips": 0.2 + i / 99}) for i in range(8)]
    write_run("few", few, mu=1.0)
    write_run("many", many, mu=2.0)
    _, groups = groups_of(tmp_path)
    for name in ("calls", "lpips", "speedup_calls"):
        found = [groups[f"mu {mu}"].estimates[name].best for mu in (1, 2)]
        assert found == [True, False], name
    assert groups["mu 1"].estimates["speedup_calls"].mean == 6.0


def test_repeated_prompts_are_resampled_as_one(write_run, tmp_path):
    rows = [row_of(i, float(i % 2), prompt=f"p{i % 2}") for i in range(40)]
    path = write_run("a", rows)
    (run,) = gather([path]).runs
    assert run.by_prompt("psnr_db") == {": p0": 0.0, ": p1": 1.0}
    _, groups = groups_of(path)
    assert groups["all runs"].estimates["psnr_db"].prompts == (0.0, 1.0)


def test_columns_are_the_settings_that_differ_without_those_that_follow(write_run, tmp_path):
    for policy in ("ucb", "epsilon_greedy"):
        for mu in (0.1, 0.3):
            write_run(f"{policy}{mu}", [30.0, 31.0], policy=policy, mu=mu)
    section, groups = groups_of(tmp_path)
    assert section.names == ["policy", "policy.reward.mu"]
    assert {"policy.gamma", "policy.epsilon"} <= set(section.all_names)
    assert list(groups) == [
        "epsilon_greedy, mu 0.1",
        "epsilon_greedy, mu 0.3",
        "ucb, mu 0.1",
        "ucb, mu 0.3",
    ]


def test_models_have_sections_of_their_own(write_run, tmp_path):
    write_run("a", [30.0, 31.0])
    write_run("b", [40.0, 41.0], model="flux_mini")
    sections = sections_of(gather([tmp_path]).runs)
    assert [section.title for section in sections] == ["mixture", "flux_mini"]


def test_what_makes_numbers_hard_to_read_is_noted(write_run, tmp_path):
    inf = float("inf")
    write_run("a", [inf, *BASE.tolist()], seed=0, mu=1.0)
    write_run("b", BASE.tolist(), seed=1, mu=1.0)
    rows = [row_of(0, 30.0, range(12)), row_of(1, 0.0, metrics={}, failure="no memory")]
    write_run("c", rows, mu=2.0)
    section, _ = groups_of(tmp_path)
    assert list(section.notes()) == [
        "The groups take different numbers of calls: read quality together with calls, in the "
        "figure of quality against calls.",
        "The noise of sample i has the run's seed plus i, so seeds closer together than the "
        "number of samples share noise, and intervals over seeds may be too narrow.",
        "1 outputs are identical to their reference runs, as those of a policy's first sample "
        "are: their PSNR is infinite and is left out of the means.",
        "1 samples failed; they are left out.",
    ]
