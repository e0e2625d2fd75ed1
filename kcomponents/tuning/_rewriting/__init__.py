"""Replace the activations of existing models."""
