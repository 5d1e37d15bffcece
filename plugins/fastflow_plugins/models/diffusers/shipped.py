"""The small models that come with fastflow: their folders, and the prompts of their worlds."""

from __future__ import annotations

from PIL import Image

from fastflow.sampling import Prompt

MOST_CAPTIONS = 300  # distinct ones whose combinations training never shows


def folder_of_mini(name: str) -> str:
    """Returns the folder of a small model.

    Raises:
        ValueError: if its weights are not there.
    """
    import fastflow_minis

    try:
        return str(fastflow_minis.folder(name))
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error


def scene_prompts(count: int) -> list[Prompt]:
    """Returns up to ``count`` captions of scenes that training never shows."""
    from fastflow_minis.worlds.scenes.scene_world import held_out_captions as held_out

    return [Prompt(prompt.text, prompt.task) for prompt in held_out(min(count, MOST_CAPTIONS))]


def edit_prompts(count: int) -> list[Prompt]:
    """Returns ``count`` scenes with instructions that training never shows."""
    from fastflow_minis.worlds.drawing import render_scene
    from fastflow_minis.worlds.edits.edit_world import held_out_edits as held_out

    return [
        Prompt(edit.instruction.text, edit.task, Image.fromarray(render_scene(edit.source)))
        for edit in held_out(count)
    ]
