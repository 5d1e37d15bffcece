"""BAGEL's guidance: away from the velocities without the text and without the images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

RENORMALISATIONS = ("global", "channel", "text_channel")
TINY = 1e-8


@dataclass(frozen=True)
class Guidance:
    """Combines the velocities of the guidance branches.

    With the conditional velocity v, u without the text and i without the images, it is
    ``w = u + text (v - u)``, then ``w = i + image (w - i)``. Renormalisation shortens w to the
    length of v where it is longer: for the whole sample (global), for each token (channel), or for
    each token before the images' scale is applied (text_channel).

    Args:
        text: the text's scale; 1 turns all guidance off.
        image: the images' scale; 1 is off.
        interval: times t with ``low < t <= high`` are guided; 1 is noise.
        renormalisation: global, channel or text_channel.
        floor: the least factor by which w is shortened; 1 turns renormalisation off.
    """

    text: float = 4.0
    image: float = 2.0
    interval: tuple[float, float] = (0.4, 1.0)
    renormalisation: str = "global"
    floor: float = 0.0

    @property
    def takes_text(self) -> bool:
        """Whether there is any guidance."""
        return self.text > 1

    @property
    def takes_images(self) -> bool:
        """Whether images have a scale of their own."""
        return self.takes_text and self.image > 1

    def acts_at(self, times: Tensor) -> list[bool]:
        """Returns for each time whether it is guided."""
        low, high = self.interval
        inside = (times > low) & (times <= high)
        return [self.takes_text and guided for guided in inside.tolist()]

    def combine(self, v: Tensor, u: Tensor, i: Tensor | None) -> Tensor:
        """Returns the guided velocity.

        Args:
            v: ``(N, D)``, with text and images.
            u: ``(N, D)``, without the text.
            i: ``(N, D)``, without the images; None if there is no guidance by images.
        """
        w = u + self.text * (v - u)
        if self.renormalisation == "text_channel":
            return self._from_images(w * self._factor(v, w, by_token=True), i)
        w = self._from_images(w, i)
        return w * self._factor(v, w, by_token=self.renormalisation == "channel")

    def _from_images(self, w: Tensor, i: Tensor | None) -> Tensor:
        return w if i is None else i + self.image * (w - i)

    def _factor(self, v: Tensor, w: Tensor, by_token: bool) -> Tensor:
        """Returns ``|v| / |w|``, from the floor to 1."""
        axes: dict = {"dim": -1, "keepdim": True} if by_token else {}
        factor = torch.norm(v, **axes) / (torch.norm(w, **axes) + TINY)
        return factor.clamp(min=self.floor, max=1.0)
