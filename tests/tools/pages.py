"""Pages of reports, looked at as a browser does."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

_VOID = {"meta", "polyline", "polygon", "rect", "line", "img"}


class PageChecker(HTMLParser):
    """Checks that elements nest, and keeps what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.seen: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] += 1
        self.fetched += [
            value or ""
            for name, value in attrs
            if name in ("src", "href") and not (value or "").startswith(("#", "data:"))
        ]
        if tag == "img":
            assert dict(attrs)["alt"]
        if tag == "svg":
            assert dict(attrs)["role"] == "img"
            assert dict(attrs)["aria-label"]
        if tag == "th":
            assert dict(attrs)["scope"] in ("row", "col")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag
