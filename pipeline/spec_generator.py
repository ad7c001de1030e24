"""The generator's section of the spec: logs whose best possible AUC is known."""

from typing import Annotated, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from pipeline.spec_section import Section


class PlantedSpec(Section):
    """A sum of P patterns of interaction; see pipeline/data/generator/planted_patterns.py.

    Attributes:
        cardinalities: values of each field; the fields are called C1, C2 and so on.
        exponent: the share of a field's k-th most frequent value falls as k^-exponent.
        patterns: P. No two fields meet in more than one pattern.
        factors: latent factors of every value.
        rank: factors of either field that a pattern relates. Patterns take them in turns, so that
            ``patterns`` * ``rank`` up to ``factors`` are in use, and beyond that they are shared.
        strength: the standard deviation of the true logit, all pairs having an equal part in it.
    """

    cardinalities: Annotated[
        tuple[Annotated[int, Field(ge=2, lt=1 << 20)], ...], Field(strict=False, min_length=2)
    ]
    exponent: NonNegativeFloat = 1.1
    patterns: PositiveInt = 1
    factors: PositiveInt = 16
    rank: PositiveInt = 4
    strength: PositiveFloat = 1.6

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        fields = len(self.cardinalities)
        most = fields - 1 if fields % 2 == 0 else fields
        if self.patterns > most:
            raise ValueError(f"{fields} fields have room for {most} patterns without common pairs")
        if self.factors % self.rank:
            raise ValueError("factors is a multiple of rank, which patterns take in turns")
        return self


class GeneratorSpec(Section):
    """Writes ``data.source`` (pipeline/data/generator/).

    Attributes:
        rows: of the log.
        seed: of values, latent factors and labels.
        planted: patterns, in a CSV file with a header; without it, the demo's log in Criteo's
            format.
    """

    rows: PositiveInt = 200_000
    seed: NonNegativeInt = 0
    planted: PlantedSpec | None = None
