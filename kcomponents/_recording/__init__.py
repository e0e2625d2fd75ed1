"""Recording: measures a `fit` and its data, and writes them to a `Record`."""
