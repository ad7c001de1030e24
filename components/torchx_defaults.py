"""Whether .torchxconfig's defaults are of arguments that there are: TorchX takes no notice."""

import difflib
import inspect
from collections.abc import Mapping

from components import stages


def check_defaults(sections: Mapping[str, Mapping[str, str]]) -> None:
    """Refuses a key of ``[component:mep.*]`` that names no argument of the component.

    Args:
        sections: keys and values by the component's name.

    Raises:
        ValueError: in one line, with the nearest name.
    """
    for name, keys in sections.items():
        component = getattr(stages, name.removeprefix("mep."), None)
        if not name.startswith("mep.") or not callable(component):
            continue
        known = list(inspect.signature(component).parameters)
        for key in keys:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(known)}"
                raise ValueError(
                    f".torchxconfig: [component:{name}] has no argument {key!r}; {hint}"
                )
