"""A hook of MkDocs: the site has every file of the repository that a document links to.

Documents link to each other as they lie in the repository, so that the links work in a checkout
and on a forge. What lies outside of ``docs/`` becomes a page (Markdown) or a file of the site below
``repository/``; a folder is its README. Links are turned to where things are in the site. What is
not there is left as it is: MkDocs then names it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

FOLDER = "repository"
"""Folder of the site with what lies outside of ``docs/``."""
LINK = re.compile(r"(?<!`)(\]\()([^)\s#:]+)(#[^)\s]*)?(?=\))")
"""A relative link of Markdown: its path, and its anchor."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what the documents link to, and what that links to."""
    root = Path(config.config_file_path).parent
    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    known = set(waiting)
    while waiting:
        for target in targets(root, waiting.pop()):
            if target in known or target.startswith("docs/"):
                continue
            known.add(target)
            files.append(outside(target, root, config))
            if target.endswith(".md"):
                waiting.append(target)
    return files


def outside(target: str, root: Path, config: MkDocsConfig) -> File:
    """A file of the repository as one of the site."""
    return File.generated(
        config,
        f"{FOLDER}/{target}",
        abs_src_path=str(root / target),
        inclusion=InclusionLevel.NOT_IN_NAV,
    )


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page to where their targets are in the site."""
    root = Path(config.config_file_path).parent
    source = in_repository(page.file.src_uri)

    def turned(link: re.Match[str]) -> str:
        target = resolved(root, source, link[2])
        if target is None:
            return link[0]
        start = posixpath.dirname(page.file.src_uri)
        return f"{link[1]}{posixpath.relpath(in_site(target), start or '.')}{link[3] or ''}"

    return LINK.sub(turned, markdown)


def targets(root: Path, source: str) -> Iterator[str]:
    """The files of the repository that a document links to."""
    for link in LINK.finditer((root / source).read_text(encoding="utf-8")):
        target = resolved(root, source, link[2])
        if target is not None:
            yield target


def resolved(root: Path, source: str, link: str) -> str | None:
    """The file that a link of ``source`` leads to, from the root; None: there is none."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    if (root / target).is_dir():
        target = posixpath.join(target, "README.md")
    return target if not target.startswith("..") and (root / target).is_file() else None


def in_repository(uri: str) -> str:
    """The path of a file of the site in the repository."""
    path = PurePosixPath(uri)
    inside = path.parts[0] == FOLDER
    return str(path.relative_to(FOLDER)) if inside else f"docs/{uri}"


def in_site(target: str) -> str:
    """The path of a file of the repository in the site."""
    return target.removeprefix("docs/") if target.startswith("docs/") else f"{FOLDER}/{target}"
