"""BAGEL: text to image and edits of images, from its official files."""

from fastflow_plugins.models.bagel.bagel_recipe import Bagel

__all__ = [
    "Bagel",
]
