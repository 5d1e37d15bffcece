"""The world of scenes: shapes on a background, captions that ask for them, and a scorer."""
