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


def test_wandb_that_cannot_be_reached_becomes_an_offline_run(sample, monkeypatch):
    import wandb

    plain_init = wandb.init

    def init(**options):
        if options["mode"] == "online":
            raise wandb.errors.CommError("no such host\nand more")
        return plain_init(**options)

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    done = sample("observers=[wandb]", "samples=2", "metrics=[]")
    assert done.status == 0
    line = "W&B cannot be used (no such host): this becomes an offline run."
    assert done.err.count(line) == 1


def test_wandb_that_fails_does_not_end_the_run(sample, monkeypatch):
    import wandb

    def init(**options):
        raise OSError("no process")

    monkeypatch.setattr(wandb, "init", init)
    done = sample("observers=[wandb]", "samples=2", "metrics=[]")
    assert done.status == 0
    assert "W&B cannot be used (no process): this run is not mirrored." in done.err
