"""Metrics of click prediction, in float64.

``auc`` and ``logloss`` take labels of 0 and 1 and predictions as NumPy arrays of shape (rows,), of
any numeric type; ``click_metrics`` takes a split's rows batch by batch, on every rank. A metric
that is not defined on its input, such as the AUC of one class, is nan.
"""
