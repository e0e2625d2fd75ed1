"""Functions that clip lists of gradients, for custom training loops."""

from kcomponents.clipping.clipping import (
    adaptive_clip,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    global_norm,
    unitwise_norm,
)

__all__ = [
    "adaptive_clip",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "global_norm",
    "unitwise_norm",
]
