"""The precision that an operation of our own computes in, as torch's own operations choose it."""

import torch


def compute_type(tensor: torch.Tensor) -> torch.dtype:
    """That of autocast where it is on, otherwise the tensor's."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype
