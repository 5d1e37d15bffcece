"""A directory from somebody else: nothing in it runs, and nothing outside is read or written."""

import json
import os

import pytest
import yaml

RAN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "pty.spawn")

SECRET = "hush-hush"
COMMAND = {"_target_": "torch.utils.collect_env.run", "command": "touch made-by-a-command"}
OTHER = {"component": "torch.utils.collect_env.run", "command": "touch made-by-a-command"}


def words(kind, path, tmp_path):
    """Returns the commands that open a directory."""
    found = [["report", path]]
    if kind == "comparison":
        return [
            *found,
            ["compare", f"resume={path}"],
            ["pool", path, f"out={tmp_path / 'pooled'}"],
        ]
    found.append(["sample", f"resume={path}"])
    if kind == "geneval":
        results = tmp_path / "results.jsonl"
        results.write_text('{"filename": "00000/samples/0000.png", "correct": true}\n')
        found += [["export", path, f"out={tmp_path / 'out'}"]]
        found += [["import-scores", path, f"skipped={results}", "partial=true"]]
    return found


def configured(path, change):
    """Changes a stored configuration."""
    file = path / "config.yaml"
    config = yaml.safe_load(file.read_text())
    change(config)
    file.write_text(yaml.safe_dump(config))
    return file


PLACES = {
    "a kind": lambda node: lambda c: c.update(model=node),
    "inside a component": lambda node: lambda c: c["policy"].update(reward=node),
    "an executor": lambda node: lambda c: c.update(executor=node),
    "a list": lambda node: lambda c: c.update(metric={"fidelity": node}),
    "a setting": lambda node: lambda c: c.update(prompt=node),
    "a name": lambda node: lambda c: c["names"].update(model=node),
    "beside all": lambda node: lambda c: c.update(more=node),
}


@pytest.mark.parametrize("node", [COMMAND, OTHER], ids=["target", "component"])
@pytest.mark.parametrize("place", PLACES)
def test_no_command_in_a_stored_run_is_run(
    spoilt, command, deeds, tmp_path, monkeypatch, place, node
):
    monkeypatch.chdir(tmp_path)
    path = spoilt("run")
    file = configured(path, PLACES[place](node))
    done = command("sample", f"resume={path}")
    assert done.status == 2
    assert str(file) in done.err
    assert "Traceback" not in done.err
    assert not [deed for deed in deeds if deed[0] in RAN]
    assert not (tmp_path / "made-by-a-command").exists()


@pytest.mark.parametrize("kind", ["run", "geneval", "comparison"])
@pytest.mark.parametrize("node", [COMMAND, OTHER], ids=["target", "component"])
def test_no_command_that_opens_a_directory_runs_what_it_names(
    spoilt, command, deeds, tmp_path, monkeypatch, kind, node
):
    monkeypatch.chdir(tmp_path)
    path = spoilt(kind)

    def change(config):
        for key in ("model", "benchmark", "method", "metric", "policy"):
            if key in config:
                config[key] = node

    configured(path, change)
    for own in words(kind, path, tmp_path):
        assert "Traceback" not in command(*own).err
    assert not [deed for deed in deeds if deed[0] in RAN]
    assert not (tmp_path / "made-by-a-command").exists()


@pytest.mark.parametrize(
    "text",
    [
        "_target_: torch.utils.collect_env.run\ncommand: touch made\n",
        "component: ucb\n_target_: os.system\ncommand: touch made\n",
        "component: ucb\nreward:\n  _target_: os.system\n  command: touch made\n",
        "component: ucb\ngamma: ${oc.env:SECRET}\n",
        "component: ucb\narms: [0, '${oc.decode:${oc.env:SECRET}}']\n",
        "component: !!python/object/apply:os.system ['touch made']\n",
    ],
)
def test_a_preset_names_components_and_nothing_else(command, deeds, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", SECRET)
    (tmp_path / "conf" / "policy").mkdir(parents=True)
    (tmp_path / "conf" / "policy" / "theirs.yaml").write_text(text)
    done = command("sample", "--config-dir", "conf", "model=mixture", "policy=theirs", "--cfg")
    assert done.status == 2
    assert "Traceback" not in done.err
    assert SECRET not in done.out + done.err
    assert not [deed for deed in deeds if deed[0] in RAN]


@pytest.mark.parametrize(
    "word",
    [
        "policy._target_=os.system",
        "+policy._target_=os.system",
        "+hydra.callbacks.x._target_=os.system",
        "policy={_target_: os.system, command: touch made}",
        "policy.reward={_target_: os.system}",
    ],
)
def test_a_command_line_names_components_and_nothing_else(command, deeds, tmp_path, word):
    done = command(
        "sample", "model=mixture", "executor=inline", "samples=1", "steps=4", "policy=ucb",
        f"out={tmp_path / 'out'}", word,
    )  # fmt: skip
    assert not [deed for deed in deeds if deed[0] in RAN]
    assert "Traceback" not in done.err


@pytest.mark.parametrize("kind", ["run", "geneval", "comparison"])
@pytest.mark.parametrize("value", ["${oc.env:SECRET}", "${steps}", "${oc.env:SECRET,1}"])
def test_nothing_is_resolved_in_a_stored_configuration(
    spoilt, command, tmp_path, monkeypatch, kind, value
):
    monkeypatch.setenv("SECRET", SECRET)
    path = spoilt(kind)
    configured(path, lambda config: config.update(prompt=value, image=None, prompts=None))
    for own in words(kind, path, tmp_path):
        done = command(*own)
        assert SECRET not in done.out + done.err
        assert "Traceback" not in done.err
    pages = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not [page for page in pages if SECRET.encode() in page]
    file = configured(path, lambda config: config.update(steps=value))
    done = command("compare" if kind == "comparison" else "sample", f"resume={path}")
    assert done.status == 2
    assert f"{file} `steps` must be a whole number, got {value!r}." in done.err


def rows_of(path):
    return [json.loads(line) for line in (path / "samples.jsonl").read_text().splitlines()]


def write_rows(path, rows):
    (path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("image", "/etc/passwd"),
        ("image_full", "../../secret.png"),
        ("image_source", "images/../../secret.png"),
        ("image", "C:\\secret.png"),
        ("image_source", "a\0b"),
        ("image_full", ""),
    ],
)
def test_a_path_in_a_row_that_leads_out_is_refused_by_line_and_field(
    spoilt, command, deeds, tmp_path, field, name
):
    path = spoilt("geneval")
    (tmp_path / "secret.png").write_bytes(SECRET.encode())
    rows = rows_of(path)
    rows[1][field] = name
    write_rows(path, rows)
    given = words("geneval", path, tmp_path)
    deeds.clear()
    for own in given:
        done = command(*own)
        assert done.status == 2
        wanted = f"{path / 'samples.jsonl'}, line 2, `{field}` must be a file inside the directory"
        assert wanted in done.err
    assert not (tmp_path / "out").exists()
    assert not [deed for deed in deeds if deed[1].endswith(("secret.png", "etc/passwd"))]


LINKS = ["images/0000.png", "config.yaml", "samples.jsonl", "memory.json", "images", "report.html"]


@pytest.mark.parametrize("name", LINKS)
def test_a_link_that_leads_out_is_neither_read_nor_written(spoilt, command, deeds, tmp_path, name):
    path = spoilt("geneval")
    secret = tmp_path / "outside"
    if (path / name).is_dir():
        (path / name).rename(secret)
    else:
        if (path / name).exists():
            (path / name).unlink()
        secret.write_text(SECRET)
    before = {file: file.read_bytes() for file in tmp_path.rglob("outside*") if file.is_file()}
    (path / name).symlink_to(secret)
    own = words("geneval", path, tmp_path)
    deeds.clear()
    for one in own:
        done = command(*one)
        assert done.status == 2
        assert f"{path / name} is a symbolic link that leads out of {path}" in done.err
        assert SECRET not in done.err
    assert not [deed for deed in deeds if "outside" in deed[1]]
    assert {file: file.read_bytes() for file in before} == before


def test_a_link_in_a_comparison_that_leads_out_is_refused(spoilt, command, tmp_path):
    path = spoilt("comparison")
    (tmp_path / "outside.json").write_text(SECRET)
    (path / "rows" / "uniform-at-6.json").unlink()
    (path / "rows" / "uniform-at-6.json").symlink_to(tmp_path / "outside.json")
    for own in words("comparison", path, tmp_path):
        done = command(*own)
        assert done.status == 2
        assert "uniform-at-6.json is a symbolic link that leads out of" in done.err


def test_a_link_inside_is_followed(spoilt, command, tmp_path):
    path = spoilt("run")
    (path / "images" / "copy.png").symlink_to("0000.png")
    assert command("report", path).status == 0


@pytest.mark.parametrize("name", ["images/0000.png", "summary.json", "samples.jsonl", "new"])
def test_a_pipe_in_a_directory_is_not_waited_for(spoilt, command, name):
    path = spoilt("run")
    if (path / name).exists():
        (path / name).unlink()
    os.mkfifo(path / name)
    done = command("report", path)
    assert done.status == 2
    assert name.partition("/")[2] or name in done.err


DEEP = "[" * 60 + "]" * 60
HEAVY = {
    "config.yaml": [
        f"names: {DEEP}\n",
        "a: &a [1]\nnames: {model: *a}\n",
        "names: " + "[" * 20000,
    ],
    "samples.jsonl": [
        DEEP,
        '{"index": ' + "[" * 5000,
        '{"index": ' + "9" * 5000 + "}",
        '"\\ud800"',
    ],
    "records.jsonl": [DEEP, '{"sample": ' + "9" * 5000 + "}", "[]"],
}


@pytest.mark.parametrize(
    ("name", "text"),
    [(name, text) for name, texts in HEAVY.items() for text in texts],
    ids=lambda text: text[:14],
)
def test_what_is_deep_or_endless_is_refused(spoilt, command, name, text):
    path = spoilt("run")
    (path / name).write_text(text + "\n" + ("{}\n" if name.endswith("l") else ""))
    for own in (["report", path], ["sample", f"resume={path}"]):
        done = command(*own)
        assert done.status == 2
        assert name in done.err
        assert "Traceback" not in done.err


@pytest.mark.parametrize("name", ["config.yaml", "samples.jsonl", "records.jsonl"])
def test_a_file_that_is_too_large_is_refused(spoilt, command, monkeypatch, name):
    from fastflow.sampling.foreign import bounded

    path = spoilt("run")
    monkeypatch.setattr(bounded.read_bounded, "__defaults__", (1000,))
    done = command("report", path)
    assert done.status == 2
    assert " is larger than " in done.err


def test_text_in_a_row_is_text_on_the_page(spoilt, command):
    path = spoilt("run")
    rows, script = rows_of(path), "<script>alert(1)</script><img src=x onerror=alert(1)>"
    for row in rows:
        row.update(prompt=script, task=script, failure="", metrics={script: 1.0, **row["metrics"]})
    write_rows(path, rows)
    assert command("report", path).status == 0
    assert "<script>alert" not in (path / "report.html").read_text()
    assert "<img src=x" not in (path / "report.html").read_text()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("summary.json", b'{"samples": "a'),
        ("summary.json", b"[]"),
        ("summary.json", b'{"samples": 4, "benchmark": 5}'),
        ("report.html", b""),
        ("memory.json", b"\xff\xfe"),
    ],
)
def test_a_damaged_file_that_follows_from_others_is_made_again(spoilt, command, name, content):
    path = spoilt("run")
    (path / name).write_bytes(content)
    assert command("report", path).status == 0
    assert command("sample", f"resume={path}").status == 0
    assert json.loads((path / "summary.json").read_text())["samples"] == 4
    assert "</html>" in (path / "report.html").read_text()
    assert json.loads((path / "memory.json").read_text())["samples"] == 4


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("references.json", b'{"reference": 3}'),
        ("references.json", b""),
        ("converged.safetensors", b"\xff" * 40),
        ("report.html", b"<"),
    ],
)
def test_damaged_references_are_made_again(spoilt, command, name, content):
    path = spoilt("comparison")
    before = json.loads((path / "comparison.json").read_text())
    (path / name).write_bytes(content)
    done = command("compare", f"resume={path}")
    assert done.status == 0, done.err
    assert json.loads((path / "comparison.json").read_text()) == before
