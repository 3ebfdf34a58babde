"""Reports say how much memory a run took and which libraries it used."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from reward.machine import library_versions, megabytes, peak_mb


def test_the_peak_counts_what_was_held_and_does_not_fall_when_it_is_given_back():
    held = bytearray(64 << 20)
    peak = peak_mb()
    assert peak >= 64
    del held
    assert peak_mb() >= peak


@pytest.mark.parametrize(("platform_name", "maxrss"), [("linux", 3 * 1024), ("darwin", 3 * 1024**2)])
def test_three_megabytes_are_three_on_every_system(monkeypatch, platform_name, maxrss):
    monkeypatch.setattr(sys, "platform", platform_name)
    assert megabytes(maxrss) == 3.0


def test_the_versions_are_those_that_are_installed():
    found = library_versions()
    assert found["python"] == platform.python_version()
    assert found["trl"] == version("trl")
    assert set(found) == {"python", "torch", "transformers", "trl", "peft", "accelerate", "tokenizers"}


def test_asking_for_memory_does_not_load_torch():
    code = "import sys; from reward.machine import peak_mb; peak_mb(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False).returncode == 0
