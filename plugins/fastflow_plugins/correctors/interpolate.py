"""Landing correction by interpolation."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastflow.integration import Corrector, lagrange


@dataclass(frozen=True)
class Interpolate(Corrector):
    """Interpolates the skipped velocities between those before the gap and the landing's.

    A predictor-corrector scheme, as in UniPC (https://arxiv.org/abs/2302.04867), without an extra
    call.

    Args:
        order: the degree of the polynomial: 1 is the line from the last computed velocity to the
            landing's; 2 and 3 also pass through one and two earlier ones.
    """

    order: int = 1

    def __post_init__(self):
        if self.order not in (1, 2, 3):
            raise ValueError(f"`order` must be 1, 2 or 3, got {self.order}.")

    @property
    def depth(self) -> int:
        return self.order + 1

    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        return lagrange(times, t)
