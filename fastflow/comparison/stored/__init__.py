"""What the files of a comparison hold, as it is checked when they are opened."""
