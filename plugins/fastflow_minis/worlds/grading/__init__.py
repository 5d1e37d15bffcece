"""How well an output shows its objects, against the shapes as the world draws them."""
