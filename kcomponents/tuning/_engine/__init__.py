"""Which trial is next, by which rules, under the interface of keras-tuner."""
