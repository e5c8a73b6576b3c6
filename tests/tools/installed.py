"""Packages as pip installs them: modules beside their dist-info, in a folder for PYTHONPATH."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def install(folder: Path, distribution: str, entry_points: Mapping[str, str], modules: Mapping[str, str]) -> Path:
    """Write modules (file name → text) and the dist-info that registers ``group name`` → object; return the folder."""
    info = folder / f"{distribution.replace('-', '_')}-0.5.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.5\n")
    lines = []
    for key, value in entry_points.items():
        group, name = key.split()
        lines.append(f"[flowbutton.{group}]\n{name} = {value}\n")
    (info / "entry_points.txt").write_text("\n".join(lines))
    for name, text in modules.items():
        (folder / name).write_text(text)
    return folder


def pip_install(package: Path, folder: Path) -> Path:
    """Install a package into a folder for PYTHONPATH, as pip does it, without the network; return the folder."""
    copy = folder.with_name(f"{folder.name}-source")
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "results"))
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(folder), str(copy)], check=True, capture_output=True, timeout=300)
    return folder
