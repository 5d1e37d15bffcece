"""A comparison in a few lines, for the end of the command."""

from __future__ import annotations

from typing import Any


def headline(content: dict[str, Any]) -> str:
    """Returns what was found, from what `comparison.json` holds."""
    plan = content["plan"]
    lines = [
        f"{content['model']}: {len(plan['targets'])} numbers of calls, {plan['samples']} samples "
        f"of {plan['steps']} steps"
    ]
    for found in content["findings"]:
        ours, peer = found["psnr_ours"], found["psnr_peer"]
        lines.append(
            f"at {found['target']:>3}    {found['ours']} {_interval(ours)} dB; the best of the "
            f"others, {found['peer']}, {_interval(peer)} dB; paired difference "
            f"{_interval(found['difference'], '+.1f')} dB"
        )
    for check in content["checks"]:
        verdict = {True: "holds", False: "FAILS", None: "unseen"}[check["holds"]]
        lines.append(f"{verdict:<9} {check['what']}: {check['why']}")
    lines += [f"note      {text}" for text in content["left_out"]]
    return "\n".join(lines)


def _interval(values: tuple[float, float, float], form: str = ".1f") -> str:
    mean, low, high = values
    return f"{mean:{form}} ({low:{form}} to {high:{form}})"
