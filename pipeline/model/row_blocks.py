"""Blocks of rows, where what is made on the way to a result is much larger than the result."""

import torch

# Numbers that a block holds. On CPU 4 MiB in float32, which stay in the caches. Where a process
# does not keep freed memory (distributed/freed_memory.py), a tensor of more than 32 MiB is also new
# pages of the operating system every time. Elsewhere 1 GiB.
BLOCK_NUMBERS = {"cpu": 2**20}
BLOCK_NUMBERS_ELSEWHERE = 2**28


def block_rows(row_numbers: int, device: torch.device) -> int:
    """The rows of a block.

    Args:
        row_numbers: the numbers of one row's largest tensor, over all sets.
        device: where they are.
    """
    numbers = BLOCK_NUMBERS.get(device.type, BLOCK_NUMBERS_ELSEWHERE)
    return max(numbers // row_numbers, 1)
