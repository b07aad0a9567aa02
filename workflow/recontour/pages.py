"""HTML pages that need nothing but themselves: no other file, and no network."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from latex2mathml.converter import convert_to_element
from markupsafe import Markup

PARTS = Path(__file__).resolve().parents[1] / "report"
"""The templates of the pages, and the captions, which Snakemake's report shows, too."""


def render(template: str, content: Mapping[str, Any]) -> str:
    """The page that a template of `PARTS` makes of `content`. All text is escaped."""
    environment = Environment(
        loader=FileSystemLoader(PARTS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"tex": tex, "short": short}
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False}  # Bokeh's order is kept
    environment.globals["caption"] = caption
    return environment.get_template(template).render(content)


def caption(name: str) -> Markup:
    """The paragraphs of the caption `<name>.rst`, which are plain text."""
    text = (PARTS / f"{name}.rst").read_text(encoding="utf-8").strip()
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    return Markup("").join(Markup("<p>{}</p>").format(part) for part in paragraphs)


def tex(text: str) -> Markup:
    """A title as matplotlib reads it, with TeX between pairs of dollar signs, as HTML with MathML.
    What is no TeX is shown as it was written; a dollar sign itself is `\\$`, or has no partner."""
    parts = re.split(r"(?<!\\)\$", text)
    if len(parts) % 2 == 0:
        parts = [text]
    made = [_formula(part) if i % 2 else _words(part) for i, part in enumerate(parts)]
    return Markup("".join(made))


def _formula(text: str) -> str:
    try:
        formula = convert_to_element(text)
    except Exception:  # the errors of latex2mathml share no other class
        return html.escape(text)
    for element in formula.iter():  # its symbols are written as references, as &#x003C7;
        element.text = html.unescape(element.text or "")
        element.attrib |= {key: html.unescape(value) for key, value in element.items()}
    return ElementTree.tostring(formula, encoding="unicode")


def _words(text: str) -> str:
    return html.escape(text.replace(r"\$", "$"))


def short(number: object) -> str:
    """A number with four significant digits, other cells as they are, nothing as nothing."""
    if isinstance(number, float):
        return f"{number:.4g}"
    return "" if number is None else str(number)


def data_uri(image: Path | str) -> str:
    """A PNG image as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(Path(image).read_bytes()).decode()}"
