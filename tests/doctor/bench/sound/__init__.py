"""Sound programs that the rules may be tuned on."""
