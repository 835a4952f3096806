"""Sequential networks of PyTorch and Keras taken over as a multilayer perceptron, and back.

Neither library is needed to import this: each function imports its own.
"""

from snnjax.convert.keras_layers import from_keras, to_keras
from snnjax.convert.pieces import ConversionError
from snnjax.convert.stack import Converted
from snnjax.convert.torch_layers import from_torch, to_torch

__all__ = ["ConversionError", "Converted", "from_keras", "from_torch", "to_keras", "to_torch"]
