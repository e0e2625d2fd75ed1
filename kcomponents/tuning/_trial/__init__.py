"""One trial: built, trained, judged."""
