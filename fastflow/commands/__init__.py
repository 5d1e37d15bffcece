"""The built-in commands, each a function of the words after its name."""
