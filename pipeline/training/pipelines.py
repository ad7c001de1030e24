"""How steps are laid out in time: overlapped with the next batches, or one after the other."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch.optim import Optimizer
from torchrec.distributed.model_parallel import DistributedModelParallel
from torchrec.distributed.train_pipeline import TrainPipelineBase, TrainPipelineSparseDist

from pipeline.data.batch import Batch
from pipeline.model.click_task import Prediction
from pipeline.training.prediction import Pipeline


class PlainPipeline(TrainPipelineBase):
    """Forward, backward and step of one batch after the other; only its copy is made ahead.

    torchrec's own stays at its end for good; this one begins again with the next batches.
    """

    def progress(self, dataloader_iter: Iterator[Batch]) -> Prediction:
        """Trains on, or predicts, one batch.

        Raises:
            StopIteration: there is none left.
        """
        try:
            return super().progress(dataloader_iter)
        except StopIteration:
            self.reset()
            raise


def build_pipeline(
    kind: Literal["overlapped", "plain"],
    module: DistributedModelParallel,
    optimizer: Optimizer,
    device: torch.device,
) -> Pipeline:
    """The pipeline of ``train.pipeline``: it runs empty when its batches end, and begins again."""
    if kind == "plain":
        return PlainPipeline(module, optimizer, device)
    return TrainPipelineSparseDist(module, optimizer, device, execute_all_batches=True)
