"""For mkdocs: pages of the repository that lie outside of workflow/docs, and links between them.

In the repository a link is relative to the file that it stands in; on the site all pages lie side
by side. A link to a file that is no page and not in workflow/docs is left to fail a strict build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DOCS = "workflow/docs"
PAGES = {
    "README.md": "index.md",
    "config/README.md": "configuration.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages outside of DOCS: their paths in the repository, and their names on the site."""

LINK = re.compile(r"(?<=\]\()(?!\w+:|#)[^)#\s]+")
"""The path of a relative link or image, without its anchor."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    name = page.file.src_uri
    source = next((s for s, p in PAGES.items() if p == name), f"{DOCS}/{name}")

    def on_site(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[0]))
        return PAGES.get(target, posixpath.relpath(target, DOCS))

    return LINK.sub(on_site, markdown)
