"""How values and shares are written, for a page and a terminal alike."""

LONGEST_VALUE = 40


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
