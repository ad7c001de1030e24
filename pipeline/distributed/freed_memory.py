"""Keeps the memory of freed CPU tensors in the process, for the next step's tensors."""

import ctypes

# glibc's mallopt names, from malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_LARGEST = 2**31 - 1
_HEAP_STEP = 2**28


def keep_freed_memory() -> bool:
    """Tells glibc to hand freed blocks of any size out again instead of returning them.

    By default it maps each block over 32 MiB anew and unmaps it when freed, so every step touches
    fresh pages for its large activations. Without those page faults a step of DCNv2 with M = 4 on
    Criteo's fields takes 345 ms instead of 409, of NFwFM 182 instead of 283. The price is a heap
    that grows in pieces of 256 MiB and keeps its holes: NFwFM's peak is 18 % higher, DCNv2's the
    same.

    Returns:
        Whether the C library has the call; others (musl, macOS) keep their ways.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    settings = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: _LARGEST, _M_TOP_PAD: _HEAP_STEP}
    return all(mallopt(name, value) == 1 for name, value in settings.items())
