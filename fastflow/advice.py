"""What users are told about runs that can gain little."""

FEW_STEPS = 8


def few_steps(steps: int) -> str:
    """Says what to expect of a run with so few steps; empty if they are many."""
    if steps > FEW_STEPS:
        return ""
    return (
        f"{steps} steps leave little to skip: the first and the last are always computed, and "
        "consecutive velocities differ much. Expect small gains and visible changes."
    )
