"""Search spaces: register, explore and count hyperparameters."""
