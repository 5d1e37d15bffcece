"""The world of edits: a scene, an instruction, the scene that follows, and a scorer."""
