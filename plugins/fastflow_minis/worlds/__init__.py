"""The worlds that the minis learn: scenes, edits and videos of coloured shapes."""
