"""VBench: sixteen dimensions of the quality of videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fastflow.evaluation import Benchmark, Item, Score, Total
from fastflow.sampling import Prompt, parse_json, read_text

# weight, and the values that are normalised to 0 and 1
QUALITY = {
    "subject_consistency": (1.0, 0.1462, 1.0),
    "background_consistency": (1.0, 0.2615, 1.0),
    "temporal_flickering": (1.0, 0.6293, 1.0),
    "motion_smoothness": (1.0, 0.706, 0.9975),
    "aesthetic_quality": (1.0, 0.0, 1.0),
    "imaging_quality": (1.0, 0.0, 1.0),
    "dynamic_degree": (0.5, 0.0, 1.0),
}
SEMANTIC = {
    "object_class": (1.0, 0.0, 1.0),
    "multiple_objects": (1.0, 0.0, 1.0),
    "human_action": (1.0, 0.0, 1.0),
    "color": (1.0, 0.0, 1.0),
    "spatial_relationship": (1.0, 0.0, 1.0),
    "scene": (1.0, 0.0, 0.8222),
    "appearance_style": (1.0, 0.0009, 0.2855),
    "temporal_style": (1.0, 0.0, 0.364),
    "overall_consistency": (1.0, 0.0, 0.364),
}
DIMENSIONS = (*QUALITY, *SEMANTIC)
SHARES = {"quality": 0.8, "semantic": 0.2}  # of the total
FILTERED = "filtered_videos"  # the folder that VBench's static_filter.py makes
UNSURE = ("color", "temporal_flickering")  # not given for every video


@dataclass(frozen=True, kw_only=True)
class VBench(Benchmark):
    """Reads VBench's prompts and its ``..._eval_results.json`` files.

    Prompts are those of ``VBench_full_info.json``; one that occurs twice is used once, because its
    videos would have the same names. A video's values are named after their dimensions.
    Quality, semantic and total score are normalised and weighted as in
    ``scripts/cal_final_score.py``; each is given only if all of its dimensions are present.

    Reference: Huang et al. 2024, https://arxiv.org/abs/2311.17982; files and names as in
    https://github.com/Vchitect/VBench.

    Args:
        repeats: how many videos of each prompt, 5 by convention.
        dimensions: the dimensions whose prompts are used; all if empty.
    """

    suffix: ClassVar[str] = ".mp4"
    repeats: int = 5
    dimensions: tuple[str, ...] = ()

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "dimensions", tuple(self.dimensions))
        if unknown := [name for name in self.dimensions if name not in DIMENSIONS]:
            raise ValueError(
                f"`dimensions` must be of {', '.join(DIMENSIONS)}, got {', '.join(unknown)}."
            )

    def read(self, path: Path) -> list[Prompt]:
        wanted = "VBench's VBench_full_info.json"
        found: dict[str, list[str]] = {}
        for entry in _json(path, "`prompts`", wanted, list):
            prompt, own = _checked(entry, f"`prompts` {str(path)!r} is not {wanted}:")
            if not self.dimensions or set(own) & set(self.dimensions):
                dimensions = found.setdefault(prompt, [])
                dimensions += [name for name in own if name not in dimensions]
        if not found:
            raise ValueError(f"`prompts` {str(path)!r} has no prompt of these `dimensions`.")
        items = ({"prompt": prompt, "dimension": own} for prompt, own in found.items())
        return [Prompt(item["prompt"], item["dimension"][0], item=item) for item in items]

    def place(self, item: Item, repeat: int) -> str:
        if "/" in item["prompt"]:
            raise ValueError(f"the prompt {item['prompt']!r} cannot name a file: it has a slash.")
        return f"{item['prompt']}-{repeat}.mp4"

    def scores(self, path: Path) -> Iterator[Score]:
        wanted = "an ..._eval_results.json that VBench wrote"
        for file in sorted(path.glob("*_eval_results.json")) if path.is_dir() else [path]:
            for dimension, result in _json(file, "results", wanted, dict).items():
                where = f"results {str(file)!r}, `{dimension}`,"
                if dimension not in DIMENSIONS:
                    raise ValueError(f"{where} is not a dimension of VBench.")
                yield from _videos(dimension, result, where)

    def promised(self, item: Item) -> Sequence[str]:
        return [name for name in item["dimension"] if name not in UNSURE]

    def groups(self, item: Item, values: Mapping[str, float]) -> dict[str, float]:
        return {name: values[name] for name in item["dimension"] if name in values}

    def totals(self, groups: Sequence[str]) -> list[Total]:
        parts = {"quality": QUALITY, "semantic": SEMANTIC}
        whole = {name: _normalised(name, p) for name, p in parts.items() if set(p) <= set(groups)}
        if len(whole) < len(parts):
            return list(whole.values())
        weights = {
            name: SHARES[part] * weight
            for part, total in whole.items()
            for name, weight in total.weights.items()
        }
        constant = sum(SHARES[part] * total.constant for part, total in whole.items())
        return [Total("total", weights, constant), *whole.values()]


def _json(path: Path, name: str, wanted: str, kind: type) -> Any:
    text = read_text(path, name, wanted)
    try:
        content = parse_json(text, f"{name} {str(path)!r}")
    except ValueError as error:
        raise ValueError(f"{error} Give {wanted}.") from error
    if not isinstance(content, kind):
        form = {list: "a list of prompts", dict: "an object of dimensions"}[kind]
        raise ValueError(f"{name} {str(path)!r} must hold {form}. Give {wanted}.")
    return content


def _checked(entry: Any, where: str) -> tuple[str, list[str]]:
    """Returns the prompt and the dimensions of an entry."""
    fields = entry if isinstance(entry, dict) else {}
    prompt, own = fields.get("prompt_en"), fields.get("dimension")
    if not isinstance(prompt, str) or not isinstance(own, list) or not own:
        raise ValueError(f"{where} an entry needs `prompt_en` and `dimension`, got {entry!r:.80}.")
    return prompt, list(map(str, own))


def _videos(dimension: str, result: Any, where: str) -> list[Score]:
    """Returns the values of a dimension, one for each video, from 0 to 1."""
    found = []
    try:
        _, videos = result
        for video in videos:
            file, value = str(video["video_path"]), float(video["video_results"])
            scale = 100 if dimension == "imaging_quality" else 1  # there, only the mean is scaled
            found.append(Score(file, {dimension: value / scale}))
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{where} must be a mean and a list of `video_path` and `video_results`."
        ) from error
    if any(FILTERED in score.file.split("/") for score in found):
        raise ValueError(
            f"{where} is about {FILTERED}, which were renumbered by the static filter: which "
            "video of the run each was is lost. Score the exported videos themselves."
        )
    return found


def _normalised(name: str, dimensions: Mapping[str, tuple[float, float, float]]) -> Total:
    """Returns the weighted mean of dimensions that are each normalised to 0..1."""
    total = sum(weight for weight, _, _ in dimensions.values())
    weights = {d: w / (high - low) / total for d, (w, low, high) in dimensions.items()}
    constant = -sum(weights[d] * low for d, (_, low, _) in dimensions.items())
    return Total(name, weights, constant)
