"""The world of clips: a shape that moves, captions that say how, and a scorer for it."""
