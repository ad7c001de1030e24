"""The spec's ``model`` section: embedding sets, interactions, head, towers, regularisers."""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from pipeline.registry import check_name
from pipeline.spec_section import Lax, Section

# A tower is each interaction's own.
OWN = "own"
# Settings of gates that the head ``gate`` does not read.
_OF_SPARSE_GATE = ("top_k", "noise", "balance_weight")
Normalization = Literal["batch", "synchronized_batch", "layer", "none"]
InteractionName = Annotated[str, AfterValidator(lambda name: check_name("interaction", name))]
HeadName = Annotated[str, AfterValidator(lambda name: check_name("head", name))]
TowerName = Annotated[
    str, AfterValidator(lambda name: name if name == OWN else check_name("tower", name))
]


class GroupSpec(Section):
    """Embedding sets that share an interaction and a size.

    Attributes:
        interaction: its name; see ``registry.py``.
        sets: M, independent sets of embeddings, each with an interaction of its own.
        embedding_dim: K.
        shares: the place in ``groups``, from 0, of an earlier group whose embeddings this one
            reads; it has none of its own then, and leaves out ``sets`` and ``embedding_dim``.
        task: the label whose task owns the group: other tasks read it and do not train it (STEM).
    """

    interaction: InteractionName
    sets: NonNegativeInt = 0
    embedding_dim: NonNegativeInt = 0
    shares: NonNegativeInt | None = None
    task: str = ""

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if self.shares is None and not (self.sets and self.embedding_dim):
            raise ValueError("sets and embedding_dim are needed, both at least 1")
        if self.shares is not None and (self.sets or self.embedding_dim):
            raise ValueError("leave out sets and embedding_dim: they are those of the group shared")
        return self

    @property
    def label(self) -> str:
        """Sets, size and interaction, such as "4 x 10 dcnv2"."""
        return f"{self.sets} x {self.embedding_dim} {self.interaction}"


class TaskSpec(Section):
    """A label that the model predicts, and the weight of its loss.

    Attributes:
        label: its name, which is its column's; the dataset's first unless given.
        weight: of its loss, in their sum.
    """

    label: str = ""
    weight: PositiveFloat = 1.0


class GateSpec(Section):
    """What the gates of a mixture of experts read, and the sparse gate's settings.

    Attributes:
        fields: whose embeddings are read; none means all.
        embedding_dim: of embeddings of the gates' own, of ``fields``; 0 reads those of the
            experts' sets.
        top_k: experts that a row keeps, of the head ``sparse_gate``.
        noise: whether its scores are drawn with learnt noise in training. Without it, rows whose
            scores are equal, as all are at the start, keep the same experts.
        balance_weight: of its load-balancing loss.
    """

    fields: Annotated[tuple[str, ...], Lax] = ()
    embedding_dim: NonNegativeInt = 0
    top_k: PositiveInt = 2
    noise: bool = True
    balance_weight: NonNegativeFloat = 0.01


class DCNv2Spec(Section):
    """DCNv2's cross network. ``rank`` 0 is full rank; otherwise W = U V with U (d, rank)."""

    layers: PositiveInt = 4
    rank: NonNegativeInt = 0


class IPNNSpec(Section):
    """IPNN. ``flattened`` puts the flattened embeddings before the products.

    The paper's single-embedding model has them, its multi-embedding one does not.
    """

    flattened: bool = False


class AutoIntSpec(Section):
    """AutoInt's self-attention; its authors' sizes."""

    layers: PositiveInt = 3
    heads: PositiveInt = 2
    head_dim: PositiveInt = 32


class RegularizedDCNv2Spec(Section):
    """The weight of regularised DCNv2's penalty; its layers are those of ``dcnv2``."""

    weight: NonNegativeFloat = 1e-5


class XDeepFMSpec(Section):
    """xDeepFM's compressed interaction network."""

    layers: PositiveInt = 2
    maps: PositiveInt = 16


class WukongSpec(Section):
    """Wukong's layers.

    Attributes:
        width: embeddings that each of a layer's two blocks makes.
        rank: of the factorization machine's compression.
    """

    layers: PositiveInt = 2
    width: PositiveInt = 16
    rank: PositiveInt = 8


class RegularizationSpec(Section):
    """Weights of terms that are added to the loss in training; 0 is off.

    Those of embeddings read a batch's, of the fields with ids, in each of the experts' sets.

    Attributes:
        interaction_alignment: the spread of the interactions' weight norms over the sets of a
            group (the paper, Figures 10c and 10d).
        space_similarity: the overlap of the spaces of a group's sets.
        singular_value_spread: the variance of an embedding's singular values.
        decorrelation: covariances of an embedding's columns.
        spectral_balance: the distance from equal singular values, blind to scale.
    """

    interaction_alignment: NonNegativeFloat = 0.0
    space_similarity: NonNegativeFloat = 0.0
    singular_value_spread: NonNegativeFloat = 0.0
    decorrelation: NonNegativeFloat = 0.0
    spectral_balance: NonNegativeFloat = 0.0


class ModelSpec(Section):
    """The multi-embedding model; single-embedding is ``sets = 1``.

    Attributes:
        interaction, sets, embedding_dim: the short form of one group.
        groups: the long form, for a mixture of interactions or sizes.
        tasks: the labels to predict; none means the dataset's first alone. The first task is the
            main one, by which training stops early and the best epoch is chosen.
        head: ``mean`` over the sets (the paper), a ``gate`` (mixture of experts), or a
            ``sparse_gate`` that keeps the best ``top_k`` of them for each row.
        gate: settings of gates.
        tower: from a representation to a logit; ``own`` is each interaction's.
        shared_interaction: one interaction for all sets of a group, projection included (the
            paper's ablation, Figures 10c and 10d).
        tables: ``packed`` keeps the sets of a field side by side in one table, ``separate`` one
            table a set. The same mathematics under element-wise optimizers.
        initialization: ``xavier_total`` is the paper's: Xavier uniform over the rows of all
            fields together; ``xavier_field`` over each field's own; ``uniform`` and ``normal``
            have the scale ``initialization_scale``.
        normalization: of hidden blocks. ``batch`` uses a rank's own statistics, so it depends on
            how a batch is split; ``synchronized_batch`` those of the global batch; ``layer`` and
            ``none`` do not depend on the batch.
        hidden_dim: the width of a projection and of a tower's block.
        tower_blocks: hidden blocks of the tower ``mlp``.
        dropout: of hidden blocks, rounded to a 256th: below 1/512 it is none, and at most 255/256.
        custom: settings of components from elsewhere, which read and check them themselves.
    """

    interaction: InteractionName = "dcnv2"
    sets: PositiveInt = 4
    embedding_dim: PositiveInt = 10
    groups: Annotated[tuple[GroupSpec, ...], Lax] = ()
    tasks: Annotated[tuple[TaskSpec, ...], Lax] = ()
    head: HeadName = "mean"
    gate: GateSpec = GateSpec()
    tower: TowerName = OWN
    shared_interaction: bool = False
    tables: Literal["packed", "separate"] = "packed"
    initialization: Literal["xavier_total", "xavier_field", "uniform", "normal"] = "xavier_total"
    initialization_scale: PositiveFloat = 0.01
    normalization: Normalization = "batch"
    hidden_dim: PositiveInt = 400
    tower_blocks: PositiveInt = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    dcnv2: DCNv2Spec = DCNv2Spec()
    ipnn: IPNNSpec = IPNNSpec()
    autoint: AutoIntSpec = AutoIntSpec()
    regularized_dcnv2: RegularizedDCNv2Spec = RegularizedDCNv2Spec()
    xdeepfm: XDeepFMSpec = XDeepFMSpec()
    wukong: WukongSpec = WukongSpec()
    regularization: RegularizationSpec = RegularizationSpec()
    custom: dict[str, bool | int | float | str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        short = {"interaction", "sets", "embedding_dim"} & self.model_fields_set
        if self.groups and short:
            raise ValueError(f"groups and {', '.join(sorted(short))} exclude each other")
        for place, group in enumerate(self.groups):
            if group.shares is None:
                continue
            if group.shares >= place or self.groups[group.shares].shares is not None:
                raise ValueError(
                    f"groups.{place}.shares is {group.shares}: it names an earlier group that has "
                    "embeddings of its own"
                )
        return self

    @model_validator(mode="after")
    def _check_gate(self) -> Self:
        start = GateSpec()
        given = [
            key for key in GateSpec.model_fields if getattr(self.gate, key) != getattr(start, key)
        ]
        if self.head == "mean" and given:
            raise ValueError(f"gate.{given[0]}: the mean head has no gates; leave it out")
        if self.head == "gate" and (unread := [key for key in given if key in _OF_SPARSE_GATE]):
            raise ValueError(
                f"gate.{unread[0]}: the head 'gate' does not read it; leave it out, or set head to "
                "'sparse_gate'"
            )
        experts = sum(group.sets for group in self.resolved_groups)
        if self.head == "sparse_gate" and self.gate.top_k > experts:
            raise ValueError(
                f"gate.top_k is {self.gate.top_k}: there are {experts} experts, the sets of all "
                "groups; give that many at the most"
            )
        return self

    @model_validator(mode="after")
    def _check_initialization(self) -> Self:
        start = ModelSpec.model_fields["initialization_scale"].default
        given = self.initialization_scale != start
        if given and self.initialization in ("xavier_total", "xavier_field"):
            raise ValueError(
                f"initialization_scale: {self.initialization} has a scale of its own; leave it "
                "out, or set initialization to 'uniform' or 'normal'"
            )
        return self

    @model_validator(mode="after")
    def _check_tasks(self) -> Self:
        labels = [task.label for task in self.tasks]
        if len(set(labels)) < len(labels):
            raise ValueError("tasks: two of them have the same label")
        for place, group in enumerate(self.groups):
            if group.task and group.task not in labels:
                raise ValueError(f"groups.{place}.task: {group.task!r} is not the label of a task")
        return self

    @property
    def resolved_tasks(self) -> tuple[TaskSpec, ...]:
        """The tasks; one, of the dataset's first label, where none is named."""
        return self.tasks or (TaskSpec(),)

    @property
    def resolved_groups(self) -> tuple[GroupSpec, ...]:
        """The groups, from the long form or the short one; those that share have their size."""
        if not self.groups:
            short = GroupSpec(
                interaction=self.interaction, sets=self.sets, embedding_dim=self.embedding_dim
            )
            return (short,)
        return tuple(map(self._with_size, self.groups))

    def _with_size(self, group: GroupSpec) -> GroupSpec:
        if group.shares is None:
            return group
        owner = self.groups[group.shares]
        size = {"sets": owner.sets, "embedding_dim": owner.embedding_dim}
        return group.model_copy(update=size)
