"""torch.compile of the dense part."""

import os
import shutil

from pipeline.console import InputError
from pipeline.model.multi_embedding import MultiEmbedding


def compile_dense_part(model: MultiEmbedding) -> None:
    """Has interactions, head and towers compiled at their first batch; the tables stay as they are.

    Done before sharding, in place: no name in the model's state changes.

    Raises:
        InputError: there is no C++ compiler, which torch.compile needs on every device.
    """
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise InputError(
            f"train.compile = true: the C++ compiler {compiler!r} is not found; install it, name "
            "another in the environment variable CXX, or set train.compile = false"
        )
    model.dense.compile()
