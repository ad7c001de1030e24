"""One rank of a synchronised batch normalisation in float64.

    batch_norm_rank.py FOLDER

Reads ``inputs.pt``: steps of rows (steps, M, B, features), as many weights of the outputs' sum, and
the layer's scale and shift. Writes ``rank<r>.pt``: every step's outputs and gradients by this
rank's share of the rows, by scale and by shift, and the running statistics at the end.
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist

from pipeline.distributed.batch_statistics import synchronize_statistics
from pipeline.model.batch_norm import SetBatchNorm


def main(folder: Path) -> None:
    dist.init_process_group("gloo")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    given = torch.load(folder / "inputs.pt", weights_only=True)
    steps, sets, _, features = given["rows"].shape
    layer = SetBatchNorm(sets, features, synchronized=True).double()
    layer.load_state_dict(given["layer"])
    synchronize_statistics(layer, ranks)
    found = []
    for step in range(steps):
        rows = given["rows"][step].chunk(ranks, dim=1)[rank].clone().requires_grad_()
        outputs = layer(rows)
        loss = (outputs * given["weights"][step].chunk(ranks, dim=1)[rank]).sum()
        gradients = torch.autograd.grad(loss, [rows, layer.weight, layer.bias])
        found.append([outputs.detach(), *gradients])
    statistics = [layer.running_mean, layer.running_var]
    torch.save({"steps": found, "statistics": statistics}, folder / f"rank{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
