"""Rows kept until all of a group's are known, in temporary files when they are many."""

import tempfile

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from pipeline.console import InputError
from pipeline.metrics.exchange import exchanged, gathered
from pipeline.metrics.grouped_auc import grouped_auc_sums
from pipeline.metrics.score_cells import score_keys

# Groups are handled in parts of about so many rows a rank: 64 MB of one task's.
PART_ROWS = 1 << 22
# Files beyond it would not be a process's to open.
MOST_PARTS = 512
# What all parts together keep in memory.
MEMORY_BYTES = 1 << 26


class GroupRows:
    """This rank's rows by group, to compute GAUC of all ranks' rows.

    A row takes 8 bytes and 8 a task: in memory up to 64 MB, then in temporary files without a name
    (in ``TMPDIR``). Groups are divided into parts, the same on all ranks, of about 4 million rows a
    rank; a part's rows meet at their groups' owners, one part after the other. So memory is bounded
    by a part, as long as no single group is much larger than that.
    """

    def __init__(self, tasks: int, expected_rows: int, unknown: int | None) -> None:
        """Prepares the parts.

        Args:
            tasks: T.
            expected_rows: those of all ranks together, about.
            unknown: the group of all rows that are too rare to be told apart, which are left out;
                None where there is none such. Missing values are a group like any other, but where
                their field's vocabulary has none: there they are among the unknown.
        """
        self._tasks, self._unknown = tasks, unknown
        parts = -(-expected_rows // (PART_ROWS * dist.get_world_size()))
        self._parts = min(max(parts, 1), MOST_PARTS)
        self._files = [
            tempfile.SpooledTemporaryFile(MEMORY_BYTES // self._parts)  # noqa: SIM115
            for _ in range(self._parts)
        ]

    def add(self, groups: Tensor, logits: Tensor, labels: Tensor, weights: Tensor) -> None:
        """Keeps rows of known groups.

        Args:
            groups: (B,) not negative, below 2^31.
            logits: (T, B).
            labels: (T, B).
            weights: (B,) more than 0.

        Raises:
            InputError: the temporary files do not fit.
        """
        if self._unknown is not None:
            known = groups != self._unknown
            groups, weights = groups[known], weights[known]
            logits, labels = logits[:, known], labels[:, known]
        columns = [groups.int()[None], weights.float().view(torch.int32)[None]]
        rows = torch.cat([*columns, score_keys(logits), labels.int()]).T.cpu().numpy()
        part_of_row = rows[:, 0] % self._parts
        try:
            for part, file in enumerate(self._files):
                file.write(rows[part_of_row == part].tobytes())
        except OSError as error:
            raise InputError(
                f"{tempfile.gettempdir()}: {error.strerror}; GAUC keeps {4 * rows.shape[1]} bytes "
                "a row there, so set TMPDIR to a larger folder or leave out evaluate.group_field"
            ) from error

    def sums(self) -> Tensor:
        """(T, 3) float64, ``grouped_auc_sums`` of all ranks' groups. Collective; drops the rows."""
        found = torch.zeros(self._tasks, 3, dtype=torch.float64)
        for file in self._files:
            with file:
                file.seek(0)
                rows = np.frombuffer(bytearray(file.read()), dtype=np.int32)
            found += self._part_sums(torch.from_numpy(rows.reshape(-1, 2 + 2 * self._tasks)))
        return gathered(found.reshape(-1)).sum(dim=0).view_as(found)

    def _part_sums(self, rows: Tensor) -> Tensor:
        """(T, 3) of the groups of a part that this rank owns."""
        ranks = dist.get_world_size()
        owners = rows[:, 0] // self._parts % ranks
        counts = owners.bincount(minlength=ranks).tolist()
        columns = exchanged(rows[owners.argsort(stable=True)], counts).T.contiguous()
        groups, weights = columns[0], columns[1].view(torch.float32)
        keys, labels = columns[2 : 2 + self._tasks], columns[2 + self._tasks :]
        return torch.stack(
            [
                grouped_auc_sums(groups, of_task, labels[task], weights)
                for task, of_task in enumerate(keys)
            ]
        )
