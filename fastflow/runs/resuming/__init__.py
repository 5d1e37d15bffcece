"""What makes a resumed run the same run: its lock, its inputs and whole files."""
