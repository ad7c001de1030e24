"""Metrics of click prediction over a whole split, exact and in float64.

Each takes labels of 0 and 1 and predictions as NumPy arrays of shape (rows,), of any numeric type.
A metric that is not defined on its input, such as the AUC of one class, is nan.
"""
