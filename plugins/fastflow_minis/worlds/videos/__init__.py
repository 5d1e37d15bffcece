"""The world of videos: a shape that moves, captions that describe its motion, and a scorer."""
