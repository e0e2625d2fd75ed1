"""The engine of a search: which trial is next, behind keras-tuner's interface."""
