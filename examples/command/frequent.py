"""Write the words that stand often into a table, and print how many there are."""

import argparse
from collections import Counter
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--least", type=int)
parser.add_argument("words", type=Path)
parser.add_argument("table", type=Path)
asked = parser.parse_args()

counts = Counter(asked.words.read_text().lower().split())
kept = [(word, count) for word, count in sorted(counts.items()) if count >= asked.least]
asked.table.write_text("".join(f"{word}\t{count}\n" for word, count in kept))
print(f"{len(kept)} of {len(counts)} words stand {asked.least} times or more")
