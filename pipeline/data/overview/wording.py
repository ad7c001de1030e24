"""How values, shares and encodings are written, for a page and a terminal alike."""

from pipeline.spec_data import FieldSpec

LONGEST_VALUE = 40
_BINNING = {
    "log_square": "log-square bins",
    "log": "log bins of base {}",
    "quantile": "{} quantiles",
}


def shown(value: str, longest: int = LONGEST_VALUE) -> str:
    r"""A token as a short text in which every character shows.

    >>> shown("a\x1b[31mb"), shown("x" * 50)[-3:]
    ('a�[31mb', 'xx…')
    """
    kept = value if len(value) <= longest else value[: longest - 1] + "…"
    # Control characters would reach the terminal, and are no HTML.
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in kept
    )


def shown_share(share: float | None) -> str:
    """A share in per cent, so that a small one is told from none.

    >>> shown_share(0.1234), shown_share(0.0002), shown_share(0.0), shown_share(None)
    ('12.3 %', '< 0.1 %', '0', '-')
    """
    if share is None:
        return "-"
    if share == 0:
        return "0"
    return f"{100 * share:.1f} %" if share >= 0.001 else "< 0.1 %"


def encoding_in_words(field: FieldSpec, minimum_count: int, frozen: bool) -> str:
    """How a field's values become ids.

    Args:
        field: the field.
        minimum_count: of fields that have none of their own.
        frozen: whether the vocabularies are those of another dataset.
    """
    steps = []
    if field.transform != "none":
        steps.append(field.transform.replace("_", " "))
    if field.kind == "numeric":
        steps.append(_BINNING[field.binning].format(_size_of_binning(field)))
    if field.kind == "multi_valued":
        steps.append(f"up to {field.max_length} tokens")
    match field.encoding:
        case "hash":
            steps.append(f"hashed into {field.hash_rows:,} rows")
        case "identity":
            steps.append("ids as they are")
        case _ if frozen:
            steps.append("frozen vocabulary")
        case "file":
            steps.append("given vocabulary")
        case _:
            steps.append(f"minimum count {field.minimum_count or minimum_count}")
    return ", ".join(steps)


def _size_of_binning(field: FieldSpec) -> str:
    return f"{field.bins}" if field.binning == "quantile" else f"{field.log_base:g}"
