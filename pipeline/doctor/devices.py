"""Names the devices that torch can train on; run in a process of its own.

Fails with torch's own error where it is a CUDA build and CUDA does not start.
"""

import os

import torch


def main() -> None:
    """Prints one line."""
    if torch.version.cuda is None:
        print(f"CPU, {os.cpu_count()} cores")
        return
    torch.cuda.init()
    properties = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    kinds = {
        f"{one.name}, {one.total_memory / 2**30:.0f} GiB, capability {one.major}.{one.minor}"
        for one in properties
    }
    print(f"{len(properties)} GPUs: {'; '.join(sorted(kinds))}")


if __name__ == "__main__":
    main()
