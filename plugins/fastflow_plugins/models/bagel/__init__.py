"""BAGEL: text to image and edits of images, from its official files or inside its own code."""

from fastflow_plugins.models.bagel.bagel_recipe import Bagel
from fastflow_plugins.models.bagel.wrap import AcceleratedBagel, wrap_bagel

__all__ = [
    "AcceleratedBagel",
    "Bagel",
    "wrap_bagel",
]
