"""Functions that clip lists of gradients, for custom training loops."""

from kcomponents.clipping.adaptive import adaptive_clip
from kcomponents.clipping.clip_by_norm import clip_by_global_norm, clip_by_norm
from kcomponents.clipping.clip_by_value import clip_by_value
from kcomponents.clipping.norms import global_norm, unitwise_norm

__all__ = [
    "adaptive_clip",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "global_norm",
    "unitwise_norm",
]
