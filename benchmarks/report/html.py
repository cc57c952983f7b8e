"""The pieces of our pages: no script, no font, no address of anything else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files


def document(title: str, body: str) -> str:
    """A whole page around `body`, which is HTML."""
    style = files("stc.benchmarks.report").joinpath("page.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>{escape(title)}</title><style>{style}</style></head>'
        f"<body><main>{body}</main></body></html>\n"
    )


def opening(title: str, verdict: str, sentences: Sequence[str], setting: str = "") -> str:
    """How every page begins: `title` with the verdict, what it comes to in words, and what it is of."""
    lead = "".join(paragraph(sentence, "lead") for sentence in sentences)
    return f"<header><h1>{escape(title)} {badge(verdict)}</h1>{lead}{paragraph(setting) if setting else ''}</header>"


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """What is known by name, each in words as long as they are: one below the other where the page is narrow."""
    pairs = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)
    return f'<dl class="facts">{pairs}</dl>'


def section(title: str, body: str) -> str:
    """`body`, which is HTML, under a heading; nothing where there is no body."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def paragraph(text: str, style: str = "") -> str:
    return f'<p class="{style}">{escape(text)}</p>' if style else f"<p>{escape(text)}</p>"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text; the first cell of each is its heading. A header without words is left out."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header) if any(header) else ""
    body = "".join(
        f"<tr><th>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in rows
    )
    thead = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f'<div class="scroll"><table>{thead}<tbody>{body}</tbody></table></div>'


def badge(verdict: str) -> str:
    """ "pass" or "fail" in its colour, and whatever else there is as "unproven"."""
    shown = verdict if verdict in ("pass", "fail") else "unproven"
    return f'<span class="{shown}">{shown}</span>'
