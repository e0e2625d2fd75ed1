"""Inference with dropout: Monte Carlo samples, weight scaling, and a comparison."""

from kcomponents.inference.compare_dropout_inference import compare_dropout_inference
from kcomponents.inference.predict import mc_predict, weight_scaling_predict

__all__ = ["compare_dropout_inference", "mc_predict", "weight_scaling_predict"]
