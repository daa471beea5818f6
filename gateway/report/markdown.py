"""A report as Markdown: headings, sentences and tables."""

from __future__ import annotations

from gateway.report.sections import Table, empty_sentences, group_title, opening, sections
from gateway.report.summary import Summary


def to_markdown(summary: Summary) -> str:
    """The report's text."""
    lines = ["# Harpoon report", ""]
    if not summary.groups:
        return "\n".join([*lines, *_apart(empty_sentences())])
    lines += _apart(opening(summary))
    for figures in summary.groups:
        lines += [f"## {group_title(figures)}", ""]
        for section in sections(figures):
            lines += [f"### {section.title}", "", *_apart(section.sentences)]
            if section.table is not None:
                lines += [*_table(section.table), ""]
    return "\n".join(lines)


def _apart(sentences: tuple[str, ...]) -> list[str]:
    return [line for sentence in sentences for line in (sentence, "")]


def _table(table: Table) -> list[str]:
    side = "---:" if table.is_numeric else "---"
    rule = ["---", *[side for _ in table.heads[1:]]]
    rows = [table.heads, rule, *table.rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
