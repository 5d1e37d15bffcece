"""Files with random changes: each is read, or refused by a ValueError that names it."""

import os
import shutil

import pytest
from file_mutations import mutated

from fastflow.acceleration.memory_store import MemoryStore
from fastflow.comparison.compare import finished
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.rows import ComparisonDirectory
from fastflow.integration import Scheme
from fastflow.policies import Learning
from fastflow.registry.compose import build, load, settings_of
from fastflow.registry.hooks import KINDS
from fastflow.report.load import load_run
from fastflow.runs.directory import RunDirectory
from fastflow.runs.prompts import read_prompts
from fastflow.runs.run_settings import RunSettings
from fastflow.sampling.sampler import Sampler
from fastflow.sampling.storage import load_memory, read_summary, save_memory
from fastflow.testing import drive, uneven
from fastflow_plugins.benchmarks import GenEval, VBench
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear
from fastflow_plugins.models.bagel.checkpoint.files import Files
from fastflow_plugins.models.diffusers.origin import Origin
from fastflow_plugins.policies import UCB, Bounded, Halving, Plan

CASES = 14  # of each kind of file; a number in FASTFLOW_MUTATIONS replaces it
SCHEME = Scheme(Linear(), Interpolate())
GRID = uneven(12)


def read_run(path):
    load_run(path.parent)


def resume_run(path):
    directory, _ = RunDirectory.existing(path.parent)
    directory.feedback()
    directory.official()


def read_run_config(path):
    load(path, RunSettings, KINDS)


def read_comparison(path):
    folder = path.parents[1] if path.parent.name == "rows" else path.parent
    directory = ComparisonDirectory.existing(folder)
    config = load(folder / "config.yaml", ComparisonSettings, KINDS)
    finished(directory, settings_of(config, ComparisonSettings))


def read_run_memory(path):
    config = load(path.parent / "config.yaml")
    model = build("model", config["model"]).load("cpu", "float32")
    parts = [build(kind, config[kind]) for kind in ("policy", "extrapolator", "corrector")]
    read_summary(path)
    load_memory(Sampler(model, *parts).empty_memory(12), path)


IN_DIRECTORIES = [
    ("run/config.yaml", "yaml", read_run_config),
    ("run/samples.jsonl", "jsonl", resume_run),
    ("run/samples.jsonl", "jsonl", read_run),
    ("run/records.jsonl", "jsonl", resume_run),
    ("run/summary.json", "json", read_run),
    ("run/versions.json", "json", read_run),
    ("run/memory.json", "json", read_run_memory),
    ("comparison/config.yaml", "yaml", read_comparison),
    ("comparison/references.json", "json", read_comparison),
    ("comparison/rows/uniform-at-6.json", "json", read_comparison),
]


def check(path, read, seed):
    """Reads a file, which has to work or to be refused by name."""
    try:
        read(path)
    except ValueError as error:
        refused = str(error)
    else:
        return
    assert path.name in refused, seed
    assert len(refused) < 2000, seed


def seeds():
    return range(int(os.environ.get("FASTFLOW_MUTATIONS", CASES)))


@pytest.mark.parametrize(("name", "kind", "read"), IN_DIRECTORIES)
def test_a_changed_file_of_a_directory_is_read_or_refused_by_name(
    made, tmp_path, name, kind, read
):
    folder = name.partition("/")[0]
    text = (made / name).read_text()
    for seed in seeds():
        shutil.copytree(made / folder, tmp_path / folder, dirs_exist_ok=True)
        (tmp_path / name).write_bytes(mutated(text, seed, kind))
        check(tmp_path / name, read, seed)


@pytest.mark.parametrize(
    "policy",
    [UCB(), Plan(computed_steps=6), Halving(computed_steps=6), Bounded()],
    ids=lambda p: type(p).__name__,
)
def test_a_changed_memory_is_loaded_or_refused_by_name(tmp_path, policy):
    path, learning = tmp_path / "memory.json", Learning(policy, SCHEME, "Tiny")
    memory = learning.empty(GRID)
    for sample in range(4):
        learning.learn(memory, drive(policy, GRID, memory, key=(0, sample)).feedback)
    save_memory(memory, path)
    text = path.read_text()
    for seed in seeds():
        path.write_bytes(mutated(text, seed, "json"))
        check(path, MemoryStore(learning).load, seed)


LINE = '{"tag": "counting", "include": [{"class": "cat", "count": 2}], "prompt": "two cats"}\n'
INFO = '[{"prompt_en": "a cat", "dimension": ["color"], "auxiliary_info": {"color": "red"}}]'
RESULTS = '{"color": [0.5, [{"video_path": "a cat-0.mp4", "video_results": 1.0}]]}'
ALONE = {
    "prompts.txt": ("text", "a cat\na dog\n", read_prompts),
    "prompts.jsonl": ("jsonl", '{"prompt": "a cat", "task": "pets"}\n' * 3, read_prompts),
    "metadata.jsonl": ("jsonl", LINE * 3, GenEval().read),
    "results.jsonl": (
        "jsonl",
        '{"filename": "a.png", "correct": true}\n',
        lambda path: list(GenEval().scores(path)),
    ),
    "info.json": ("json", INFO, VBench().read),
    "scores.json": ("json", RESULTS, lambda path: list(VBench().scores(path))),
    "llm_config.json": (
        "json",
        '{"hidden_size": 8, "vocab_size": 9, "rope": {"a": 1}}',
        lambda path: Files(path.parent).config(path.name, "hidden_size", "vocab_size"),
    ),
    "model_index.json": (
        "json",
        '{"_class_name": "FluxPipeline", "vae": ["diffusers", "AutoencoderKL"]}',
        lambda path: Origin.find(str(path.parent)),
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_a_changed_file_of_its_own_is_read_or_refused_by_name(tmp_path, name):
    kind, text, read = ALONE[name]
    path = tmp_path / name
    for seed in seeds():
        path.write_bytes(mutated(text, seed, kind))
        check(path, read, seed)


@pytest.mark.parametrize("name", ALONE)
def test_a_folder_a_pipe_and_a_device_are_refused_and_not_waited_for(tmp_path, name):
    _, _, read = ALONE[name]
    path = tmp_path / name
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        make(path)
        with pytest.raises(ValueError, match=r"is a pipe or a device and no file|does not exist"):
            read(path)
        path.unlink()
    path.mkdir()
    if not name.startswith(("results", "scores")):  # a scorer's results may be in a folder
        with pytest.raises(ValueError, match=name.replace(".", r"\.")):
            read(path)


@pytest.mark.parametrize(
    ("raw", "prompts"),
    [
        (b"\xef\xbb\xbfa cat\r\na dog", ["a cat", "a dog"]),
        ("a cat\u2028a dog\n\x85".encode(), ["a cat\u2028a dog"]),
        (b"a cat\x0b\x0ca dog", ["a cat\x0b\x0ca dog"]),
    ],
)
def test_only_line_ends_separate_prompts(tmp_path, raw, prompts):
    path = tmp_path / "prompts.txt"
    path.write_bytes(raw)
    assert [prompt.text for prompt in read_prompts(path)] == prompts


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("prompts.txt", b"a \xff cat", "is not UTF-8 text: byte 3 is 0xff."),
        ("prompts.txt", b"\xed\xa0\x80", "is not UTF-8 text: byte 1 is 0xed."),
        ("prompts.jsonl", b'{"prompt": "\\ud800"}', "line 1, holds half a character: '\\ud800'."),
        ("prompts.txt", "a cat".encode("utf-16"), "is not UTF-8 text: byte 1 is 0xff."),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, name, raw, message):
    path = tmp_path / name
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=name) as refused:
        read_prompts(path)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "part",
    ['["os", "system"]', '["pipeline", "Own"]', '["diffusers", 3]', '["a"]', '["diffusers", {}]'],
)
def test_the_parts_of_a_pipeline_come_from_two_libraries(tmp_path, part):
    path = tmp_path / "model_index.json"
    path.write_text('{"_class_name": "FluxPipeline", "vae": ' + part + "}")
    with pytest.raises(ValueError, match=r"model_index\.json (has no )?`vae"):
        Origin.find(str(tmp_path))
