"""Which labels of a dataset a model predicts."""

from pipeline.console import InputError
from pipeline.data.manifest import Manifest
from pipeline.spec_model import ModelSpec


def task_labels(spec: ModelSpec, manifest: Manifest) -> tuple[str, ...]:
    """The labels of the T tasks, the main one first; a task that names none has the first.

    Raises:
        InputError: the dataset has no such label, or two tasks have one.
    """
    labels = tuple(task.label or manifest.labels[0] for task in spec.resolved_tasks)
    for place, label in enumerate(labels):
        if label not in manifest.labels:
            raise InputError(
                f"model.tasks.{place}.label: the dataset has no label {label!r}; it has "
                f"{', '.join(manifest.labels)}"
            )
        if label in labels[:place]:
            raise InputError(f"model.tasks.{place}.label: {label!r} is another task's label too")
    return labels
