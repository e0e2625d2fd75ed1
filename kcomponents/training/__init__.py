"""Training beyond `fit`: greedy pretraining, layer by layer."""

from kcomponents.training.greedy_pretrain import greedy_pretrain

__all__ = ["greedy_pretrain"]
