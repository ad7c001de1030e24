"""Compiles functions, and keeps what came of it where that is possible.

Numba compiles when a module is first imported. It keeps the result in the module's ``__pycache__``,
else in the user's cache, else nowhere: then every process compiles anew. A result is used again as
long as the function's own file is the same. So what calls each other belongs into one file.
"""

from collections.abc import Callable
from typing import Any

import numba


def kernel(*arguments: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compiles a function for arguments of these types. It does not hold the interpreter's lock."""

    def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            return numba.njit(arguments, nogil=True, cache=True)(function)
        except (RuntimeError, OSError):
            # There is no directory to keep it in, or no room.
            return numba.njit(arguments, nogil=True)(function)

    return compiled
