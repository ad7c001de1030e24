"""What hurts models: the warnings that follow from an overview's figures.

Every threshold is here. A figure of a sample or a split warns only when it is also beyond chance
(``chance.py``), so that random rows in random splits are silent, however few they are.
"""

from collections.abc import Iterator

from pipeline.data.manifest import SPLITS
from pipeline.data.overview.chance import BEYOND_CHANCE, auc_z, difference_z
from pipeline.data.overview.facts import DenseFacts, FieldFacts, Finding, Overview, SplitFacts
from pipeline.data.overview.wording import shown

# One field alone with such an AUC all but is the label. The best fields of Criteo's, Avazu's and
# MovieLens's logs have 0.71, 0.66 and 0.79.
LEAKING_AUC = 0.95
# With less it is suspect where it is also so many times as far from 0.5 as the next field.
SUSPECT_AUC = 0.85
SUSPECT_LEAD = 2.0
# Of a field's occurrences; the row of id 0 is all that a model learns of such a field.
HIGH_OUT_OF_VOCABULARY = 0.9
# Above train's share: rows whose token a model has never seen.
NEW_TOKENS = 0.1


def find_warnings(overview: Overview) -> tuple[Finding, ...]:
    """The warnings of an overview, fields' in the model's order, then splits'."""
    found = [*_leaks(overview)]
    for field in overview.fields:
        found += _of_field(field, overview)
    for dense in overview.dense:
        if _is_flat(dense):
            value = "" if dense.missing == 1 else f"{dense.mean:g}"
            found.append(_constant(dense.name, value, "train rows"))
    order = {field.name: place for place, field in enumerate(overview.all_fields)}
    found.sort(key=lambda finding: order[finding.name])
    return (*found, *_of_splits(overview))


def _leaks(overview: Overview) -> Iterator[Finding]:
    """Fields that tell the label all alone."""
    scored = overview.splits[overview.scored_on]
    aucs = {field.name: field.auc for field in overview.all_fields if field.auc is not None}
    ranked = sorted(aucs, key=lambda name: aucs[name], reverse=True)
    for name, auc in aucs.items():
        others = [other for other in ranked[:2] if other != name]
        best_other = aucs[others[0]] if others else None
        figures = f"alone it ranks {overview.scored_on}'s rows with an AUC of {auc:.3f}"
        if best_other is not None:
            figures += f", the best of the other fields with {best_other:.3f}"
        advice = _leak_advice(auc, best_other)
        if advice and _beyond_chance(auc, scored):
            yield Finding("field", name, f"{figures}: {advice}")


def _beyond_chance(auc: float, split: SplitFacts) -> bool:
    positives = round(split.sampled_rows * split.positives / split.rows)
    negatives = split.sampled_rows - positives
    return bool(positives and negatives) and auc_z(auc, positives, negatives) >= BEYOND_CHANCE


def _leak_advice(auc: float, best_other: float | None) -> str | None:
    """What to do about a field with this AUC; None where it is nothing out of the ordinary."""
    if auc >= LEAKING_AUC:
        return "it gives the label away; leave it out unless it is known before the label"
    if best_other is None or auc - 0.5 < SUSPECT_LEAD * (best_other - 0.5):
        return None
    if auc >= SUSPECT_AUC:
        return (
            "it may give the label away; leave it out unless it is known before the label, or is "
            "what the negatives were drawn by"
        )
    return None


def _of_field(field: FieldFacts, overview: Overview) -> Iterator[Finding]:
    unknown = field.out_of_vocabulary
    if unknown is not None and unknown >= HIGH_OUT_OF_VOCABULARY:
        yield Finding(
            "field",
            field.name,
            f"{unknown:.1%} of its values are out of vocabulary; lower its minimum_count or give "
            'it another vocabulary, set encoding = "hash", or leave it out',
        )
    elif field.ids_used == 1:
        rows = "rows" if overview.counted_on == "all" else "train rows"
        yield _constant(field.name, field.frequent[0].value, rows)
    for name in SPLITS[1:]:
        if name in field.by_split and _has_new_tokens(field, name, overview):
            shares = [field.by_split[split].out_of_vocabulary for split in (name, "train")]
            yield Finding(
                "field",
                field.name,
                f"{shares[0]:.1%} of its values in {name} are out of vocabulary, {shares[1]:.1%} "
                "in train: its tokens are new each time; raise its minimum_count, so that train "
                'teaches the out-of-vocabulary row, or set encoding = "hash"',
            )


def _constant(name: str, value: str | None, rows: str) -> Finding:
    what = f"all {rows} have {shown(value)!r}" if value else f"it is missing in all {rows}"
    if value is None:
        what = f"all {rows} have the same id"
    return Finding("field", name, f"{what}, so it teaches nothing; leave it out")


def _is_flat(field: DenseFacts) -> bool:
    """Whether a dense field has one value: its deviation is then 1 by definition."""
    return field.deviation == 1 and field.smallest == field.largest


def _has_new_tokens(field: FieldFacts, split: str, overview: Overview) -> bool:
    unknown, known_unknown = (field.by_split[n].out_of_vocabulary for n in (split, "train"))
    if unknown is None or known_unknown is None or unknown - known_unknown < NEW_TOKENS:
        return False
    rows, train_rows = (overview.splits[name].sampled_rows for name in (split, "train"))
    z = difference_z(round(unknown * rows), rows, round(known_unknown * train_rows), train_rows)
    return z >= BEYOND_CHANCE


def _of_splits(overview: Overview) -> Iterator[Finding]:
    train = overview.splits["train"]
    for name in SPLITS:
        split = overview.splits[name]
        if not split.rows:
            yield Finding("split", name, "has no rows; give more rows, or other shares of them")
        elif split.positives in (0, split.rows):
            only = "1" if split.positives else "0"
            yield Finding(
                "split",
                name,
                f"all of its {split.rows:,} rows have the label {only}, so it has no AUC; check "
                "the label's column and the split",
            )
        elif name != "train":
            yield from _other_rate(name, split, train)


def _other_rate(name: str, split: SplitFacts, train: SplitFacts) -> Iterator[Finding]:
    z = difference_z(split.positives, split.rows, train.positives, train.rows)
    if abs(z) >= BEYOND_CHANCE and train.label_rate:
        yield Finding(
            "split",
            name,
            f"its label rate is {split.label_rate:.2%}, train's {train.label_rate:.2%}, "
            f"{abs(z):.1f} standard deviations apart where chance gives less than "
            f"{BEYOND_CHANCE:.0f}; check how the rows are split, for predictions will be off by "
            "as much",
        )
