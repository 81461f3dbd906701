"""Links between documents, and the site that is built of them."""

from __future__ import annotations

import posixpath
from pathlib import Path

import pytest

from tests.docs.documents import ROOT, Document, documents

ELSEWHERE = ("https://", "http://", "mailto:")


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.path)
def test_every_relative_link_and_anchor_leads_somewhere(document: Document) -> None:
    anchors = {known.path: known.anchors for known in documents()}
    for line, link in document.links:
        if link.startswith(ELSEWHERE):
            continue
        path, _, anchor = link.partition("#")
        target = posixpath.join(posixpath.dirname(document.path), path) if path else document.path
        target = posixpath.normpath(target)
        assert not target.startswith(".."), f"{document.path}:{line}: {link} leaves the repository"
        assert (ROOT / target).exists(), f"{document.path}:{line}: {link} leads nowhere"
        if anchor:
            assert anchor in anchors[target], f"{document.path}:{line}: no heading is #{anchor}"


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True)
    build(config)  # In strict mode a warning ends it.
    pages = {
        str(page.relative_to(config.site_dir)) for page in Path(config.site_dir).rglob("*.html")
    }
    assert "index.html" in pages and "repository/openai_link/tools/index.html" in pages
