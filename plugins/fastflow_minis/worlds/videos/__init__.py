"""The world of videos: a shape that moves, captions that say how, and a scorer."""
