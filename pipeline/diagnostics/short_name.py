"""Names of fields as figures have room for them."""

LABEL_LENGTH = 18


def short_name(name: str) -> str:
    """A long name without its middle: fields often share a beginning."""
    half = LABEL_LENGTH // 2
    return name if len(name) <= LABEL_LENGTH else f"{name[: half - 1]}…{name[-half:]}"
