"""What each embedding optimizer needs: its kernels, where they run, and its state."""

from dataclasses import dataclass

from fbgemm_gpu.split_embedding_configs import EmbOptimType


@dataclass(frozen=True)
class TableOptimizer:
    """One embedding optimizer.

    Attributes:
        fused: FBGEMM's kernel, which steps in the backward pass of a sharded table.
        fused_on_cpu: whether FBGEMM has that kernel on CPU too.
        replicated: whether torch has an optimizer that steps ``data_parallel`` tables.
        moments: state by weight, in floats.
        row_moments: state by row, in floats.
        decays_on_cuda: whether FBGEMM's kernel has weight decay; on CPU none has.
        mixes_columns: whether a weight's step depends on its row's other columns, so that a table
            that is cut by columns learns something else.
    """

    fused: EmbOptimType
    fused_on_cpu: bool
    replicated: bool
    moments: int
    row_moments: int
    decays_on_cuda: bool
    mixes_columns: bool

    def state_floats(self, columns: int) -> int:
        """State of one row of a table, or of a part of it, in floats."""
        return self.moments * columns + self.row_moments


TABLE_OPTIMIZERS = {
    "sgd": TableOptimizer(EmbOptimType.EXACT_SGD, True, True, 0, 0, False, False),
    "adagrad": TableOptimizer(EmbOptimType.EXACT_ADAGRAD, True, True, 1, 0, False, False),
    "rowwise_adagrad": TableOptimizer(
        EmbOptimType.EXACT_ROWWISE_ADAGRAD, True, False, 0, 1, True, True
    ),
    "adam": TableOptimizer(EmbOptimType.ADAM, False, True, 2, 0, True, False),
    "partial_rowwise_adam": TableOptimizer(
        EmbOptimType.PARTIAL_ROWWISE_ADAM, False, False, 1, 1, True, True
    ),
    "lamb": TableOptimizer(EmbOptimType.LAMB, False, False, 2, 0, True, True),
}
