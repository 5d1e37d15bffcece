"""Observers follow a run and do not change it."""


def test_wandb_writes_an_offline_run_into_the_run_directory(sample, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    plain = sample(out="plain")
    mirrored = sample("observers=[wandb]", "observer.wandb.project=mine", out="mirrored")
    assert mirrored.status == 0
    assert list((mirrored.path / "wandb").glob("offline-run-*/*.wandb"))
    by_index = [
        sorted(r.lines("samples.jsonl"), key=lambda x: x["index"]) for r in (plain, mirrored)
    ]
    for a, b in zip(*by_index, strict=True):
        assert (a["computed"], a["metrics"]) == (b["computed"], b["metrics"])
