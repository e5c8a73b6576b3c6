"""How much memory it takes to write a product that is far larger."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from rio_cogeo.cogeo import cog_validate

pytestmark = pytest.mark.slow
SIDE, LIMIT = 12_288, 300 << 20
TOOL = Path(__file__).resolve().parent.parent / "tools" / "large_cog.py"


def test_a_large_cog_is_written_within_300_mib(tmp_path: Path) -> None:
    command = [sys.executable, str(TOOL), str(tmp_path), str(SIDE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < LIMIT
    path = tmp_path / "product.tif"
    assert path.stat().st_size > LIMIT
    valid, errors, warnings = cog_validate(path)
    assert (valid, errors, warnings) == (True, [], [])
