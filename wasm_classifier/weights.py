"""Fitted numbers of the scorer, written by `python -m wasm_classifier.train`; not edited by hand."""

from __future__ import annotations

from typing import Final

#: Halves of the exponents that a question's length is multiplied with.
STATEMENT_HALVES: Final = 2
QUANTITY_HALVES: Final = 1
JOINT_HALVES: Final = 3
#: Whole factors.
CHOICE_BYTES_FACTOR: Final = 4
NUMERIC_CHOICES_FACTOR: Final = 2
