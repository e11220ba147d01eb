"""Tables that can be read as text and pasted as Markdown."""

from collections.abc import Iterable, Sequence


def markdown(lines: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table whose columns are aligned for those who read it as text."""
    head, *body = lines
    widths = [max(len(cell) for cell in column) for column in zip(head, *body, strict=True)]

    def joined(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if cell[:1].isdigit() else cell.ljust(width)
            for cell, width in zip(cells, widths, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        f"{'-' * (width - 1)}:" if any(line[at][:1].isdigit() for line in body) else "-" * width
        for at, width in enumerate(widths)
    ]
    return "\n".join([joined(head), joined(rule), *map(joined, body)])


def span(figures: Iterable[float]) -> str:
    """From the least to the most."""
    known = sorted(figures)
    return f"{known[0]:.2f}–{known[-1]:.2f}"
