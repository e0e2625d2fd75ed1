"""Ways to train beside `fit`: layer by layer, before the whole net is trained."""

from kcomponents.training.greedy_pretrain import greedy_pretrain

__all__ = ["greedy_pretrain"]
