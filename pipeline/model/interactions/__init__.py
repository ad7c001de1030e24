"""Interactions: (M, B, F, K) -> (M, B, H), each set with weights and a projection of its own.

To add one, write a module beside these, with this constructor and ``forward``, and name it here.
The projection holds the non-linearity that keeps M sets from being one wide set (the paper,
Appendix E).
"""

from torch import nn

from pipeline.model.interactions.dcnv2 import DCNv2
from pipeline.model.interactions.dnn import DNN
from pipeline.spec import GroupSpec, ModelSpec

INTERACTIONS: dict[str, type[DNN] | type[DCNv2]] = {"dnn": DNN, "dcnv2": DCNv2}


def build_interaction(fields: int, group: GroupSpec, spec: ModelSpec) -> nn.Module:
    """The interaction of one group."""
    return INTERACTIONS[group.interaction](fields, group, spec)
