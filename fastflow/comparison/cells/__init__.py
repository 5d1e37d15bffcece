"""The parts of a comparison that processes take: rows, blocks of prompts, and times."""
