"""Sound programs that the rules are not tuned on, and that are run once."""
