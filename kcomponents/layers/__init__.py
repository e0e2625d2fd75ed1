"""Layers: maxout, rectifiers, Monte Carlo dropout, residual blocks, clipping."""

from kcomponents.layers.gradient_clip import GradientClip
from kcomponents.layers.maxout import Maxout
from kcomponents.layers.maxout_conv import MaxoutConv1D, MaxoutConv2D, MaxoutConv3D
from kcomponents.layers.maxout_dense import MaxoutDense
from kcomponents.layers.mc_dropout import (
    MCDropout,
    MCSpatialDropout1D,
    MCSpatialDropout2D,
    MCSpatialDropout3D,
)
from kcomponents.layers.prelu import PReLU
from kcomponents.layers.residual import PreActivationResidual
from kcomponents.layers.rrelu import RReLU

__all__ = [
    "GradientClip",
    "MCDropout",
    "MCSpatialDropout1D",
    "MCSpatialDropout2D",
    "MCSpatialDropout3D",
    "Maxout",
    "MaxoutConv1D",
    "MaxoutConv2D",
    "MaxoutConv3D",
    "MaxoutDense",
    "PReLU",
    "PreActivationResidual",
    "RReLU",
]
