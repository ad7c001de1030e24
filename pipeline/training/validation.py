"""The metrics of the validation split, on every rank."""

from typing import Any

from pipeline.data.loading.loader import Loader
from pipeline.distributed.runtime import Runtime
from pipeline.spec import Spec
from pipeline.training.prediction import score_split, total_loss
from pipeline.training.setup import Training


def validate(spec: Spec, training: Training, loader: Loader, runtime: Runtime) -> dict[str, Any]:
    """What training minimises, as ``loss``, and the metrics. Collective.

    Leaves the pipeline empty and the model in training mode. The pipeline must be empty before.
    """
    module, pipeline = training.model.module, training.pipeline
    scored = score_split("validate", module, pipeline, loader, runtime, spec.evaluate)
    metrics = scored.metrics()
    weights = [task.weight for task in spec.model.resolved_tasks]
    return {"loss": total_loss(metrics, weights), **metrics}
