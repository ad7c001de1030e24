from typing import Any

from pipeline.diagnostics.best_validation import best_validation, logloss_note

# AUC goes on rising while logloss has turned.
CURVES: list[dict[str, Any]] = [
    {"kind": "train", "step": 50, "auc": 0.99, "logloss": 0.01},
    {"kind": "valid", "step": 100, "auc": 0.70, "logloss": 0.500},
    {"kind": "valid", "step": 1200, "auc": 0.72, "logloss": 0.400},
    {"kind": "valid", "step": 1300, "auc": 0.74, "logloss": 0.450},
    {"kind": "valid", "step": 1400, "auc": 0.74, "logloss": 0.480},
]


def test_the_first_of_the_best_validations_is_the_tested_one() -> None:
    assert best_validation(CURVES, "auc")["step"] == 1300
    assert best_validation(CURVES, "logloss")["step"] == 1200


def test_a_note_says_what_the_choice_by_auc_costs_in_logloss() -> None:
    note = logloss_note(CURVES, "auc")
    assert "the best by AUC; their validation logloss is 0.4500" in note
    assert "it was 0.4000 at step 1,200" in note
    assert "train.monitor=logloss" in note


def test_there_is_no_note_where_the_tested_weights_have_nearly_the_lowest_logloss() -> None:
    assert logloss_note(CURVES, "logloss") == ""
    assert logloss_note([*CURVES, {**CURVES[3], "auc": 0.9, "logloss": 0.407}], "auc") == ""
