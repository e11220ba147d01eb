"""What a PromQL expression speaks of, as far as the configurations of this project need it: no grammar, but names and selectors."""

import re
from collections.abc import Iterator
from typing import Final

OPERATORS: Final = {"and", "or", "unless", "bool", "offset"}

_NO_METRICS: Final = (
    r'"[^"]*"',
    r"\{[^}]*\}",
    r"\[[^\]]*\]",
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)",
    r"\boffset\s+\w+",
)
"""Strings, selectors, ranges, labels by which is grouped or matched, and how far back."""


def metrics_of(expression: str) -> set[str]:
    """The names of the metrics: every word that is no function, label or operator."""
    for pattern in _NO_METRICS:
        expression = re.sub(pattern, " ", expression)
    return set(re.findall(r"\b[a-zA-Z_:][\w:]*\b(?!\s*\()", expression)) - OPERATORS


def selectors_of(expression: str) -> Iterator[tuple[str, str, str]]:
    """Metric, label and value, for each label by which a metric's series are chosen."""
    for name, chosen in re.findall(r"([\w:]+)\{([^}]*)\}", expression):
        for label, value in re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"', chosen):
            yield name, label, value
