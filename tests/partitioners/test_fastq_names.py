"""Headers compared all at once say the same as names compared one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flowbutton.partitioners.fastq_records import headers_of, line_ends, names_of, same_names

headers = st.text("12/ \tax\r\v\x01", max_size=6).map(lambda text: b"@" + text.encode() + b"\n")


@settings(max_examples=400)
@given(pairs=st.lists(st.tuples(headers, headers) | headers.map(lambda line: (line, line)), max_size=4))
@example(pairs=[(b"@a/1\n", b"@a/2\n")])
@example(pairs=[(b"@a/1\x01\n", b"@a/2\x01\n")])
@example(pairs=[(b"@a 1:N\n", b"@a 2:N\n"), (b"@b/1 x\n", b"@b/2 x\n")])
@example(pairs=[(b"@a \n", b"@a1\n")])
def test_headers_that_are_called_alike_have_equal_names(pairs: list[tuple[bytes, bytes]]) -> None:
    first, second = (b"".join(lines) for lines in zip(*pairs, strict=True)) if pairs else (b"", b"")
    if same_names(first, second):
        assert names_of(first) == names_of(second)


def test_usual_pairs_are_called_alike() -> None:
    for one, two in (
        (b"/1", b"/2"),
        (b" 1:N:0:A", b" 2:N:0:A"),
        (b"\t1", b"\t2"),
        (b"/1 x", b"/2 x"),
        (b"/1\r", b"/2\r"),
    ):
        first, second = (b"".join(b"@r%d%s\n" % (number, ending) for number in range(9)) for ending in (one, two))
        assert same_names(first, second)
        assert not same_names(first, second.replace(b"@r5", b"@r6"))
        assert not same_names(first, second + b"@r9\n")


@given(widths=st.lists(st.integers(0, 60), max_size=9), bases=st.integers(0, 30), step=st.integers(1, 2))
@example(widths=[1] * 8 + [400], bases=3, step=1)  # the table of lines would be too loose
@example(widths=[9] * 8, bases=0, step=1)  # the last lines are nearer to the text's end than they are long
def test_headers_of_a_block(widths: list[int], bases: int, step: int) -> None:
    headers = [b"@" + b"%d" % (number % 10) * width + b"\n" for number, width in enumerate(widths)]
    text = b"".join(header + b"A" * bases + b"\n+\n" + b"I" * bases + b"\n" for header in headers)
    assert headers_of(text, line_ends(text), step=step) == b"".join(headers[::step])
    assert headers_of(b"", np.zeros(0, np.intp)) == b""
