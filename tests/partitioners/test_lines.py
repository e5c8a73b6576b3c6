"""Lines counted by parts add up, and the first line out of step is the one that a plain loop finds."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from flowbutton.partitioners.lines import BadLine, LineScan, PartLines, count_lines, first_bad_line

texts = st.lists(st.sampled_from([b"@", b"+", b"A", b"\n", b"\n", b"\r\n", b"@a\nC\n+\nI\n"]), max_size=40).map(
    b"".join
)


def scan(text: bytes, part: int, block: int) -> list[PartLines]:
    found = []
    for start in range(0, max(len(text), 1), part):
        lines, own = LineScan(), text[start : start + part]
        total = sum(sum(feed(lines, own[at : at + block])) for at in range(0, len(own), block))
        assert total == own.count(b"\n")
        found.append(lines.result())
    return found


def feed(lines: LineScan, text: bytes) -> list[int]:
    stops = [*range(7, len(text), 7), len(text)]
    counts = lines.feed(text, stops)
    assert counts == [text[begin:stop].count(b"\n") for begin, stop in zip([0, *stops], stops, strict=False)]
    return counts


def plain_count(text: bytes) -> int:
    kept = text.rstrip(b"\r\n")
    lines = kept.count(b"\n") + 1 if kept else 0
    return lines + 1 if lines % 4 == 3 and b"\n" in text[len(kept) :] else lines


def plain_bad(text: bytes, lines: int) -> BadLine | None:
    byte = 0
    for number, line in enumerate(text.split(b"\n")[:lines]):
        if byte < len(text) and {0: b"@", 2: b"+"}.get(number % 4, line[:1]) != line[:1]:
            return BadLine(number, byte)
        byte += len(line) + 1
    return None


@given(text=texts, part=st.integers(1, 50), block=st.integers(1, 50))
@example(text=b"@a\n\n+\n", part=3, block=1)
@example(text=b"\n" * 200, part=70, block=3)
@example(text=b"@a\nC\n+\nI" + b"\n" * 200, part=300, block=300)
def test_parts_add_up(text: bytes, part: int, block: int) -> None:
    parts = scan(text, part, block)
    assert sum(one.text for one in parts) == len(text)
    assert count_lines(parts) == plain_count(text)
    assert first_bad_line(parts, count_lines(parts)) == plain_bad(text, plain_count(text))
