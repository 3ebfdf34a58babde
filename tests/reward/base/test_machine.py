# SPDX-License-Identifier: Apache-2.0
"""Reports say how much memory a run took and which libraries it used."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import version

import pytest

from reward.base.machine import MEDIUM_BASE, keep_freed_memory, library_versions, megabytes, peak_mb
from tests.support import ROOT


def test_the_peak_counts_what_was_held_and_does_not_fall_when_it_is_given_back():
    held = bytearray(64 << 20)
    peak = peak_mb()
    assert peak >= 64
    del held
    assert peak_mb() > peak - 1, "Linux counts in batches of pages"


def test_the_peak_leaves_out_the_process_that_started_this_one():
    code = "from reward.base.machine import peak_mb; print(peak_mb())"
    held = bytearray(300 << 20)
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    assert float(child.stdout) < 200 < len(held) >> 20


@pytest.mark.parametrize(("platform_name", "maxrss"), [("linux", 3 * 1024), ("darwin", 3 * 1024**2)])
def test_three_megabytes_are_three_on_every_system(monkeypatch, platform_name, maxrss):
    monkeypatch.setattr(sys, "platform", platform_name)
    assert megabytes(maxrss) == 3.0


def test_the_versions_are_those_that_are_installed():
    result = library_versions()
    assert result["python"] == platform.python_version()
    assert result["trl"] == version("trl")
    assert set(result) == {"python", "torch", "transformers", "trl", "peft", "accelerate", "tokenizers"}


def test_asking_for_memory_does_not_load_torch():
    code = "import sys; from reward.base.machine import peak_mb; peak_mb(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


KEEPING = """
import resource, sys
from reward.base.machine import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def work():
    return [b"x" * (30 << 20) for _ in range(4)]
work()
before = faults()
for _ in range(5):
    work()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library decides by itself")
def test_memory_that_was_kept_is_taken_again_without_asking_the_system():
    def faults(how):
        run = [sys.executable, "-c", KEEPING, how]
        return int(subprocess.run(run, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)

    assert faults("kept") < faults("given") / 10


RETURNING = """
import sys
from reward.base.machine import keep_freed_memory
keep_freed_memory(int(sys.argv[1]))
blocks = [b"x" * (10 << 20) for _ in range(40)]
del blocks[::2]
status = open("/proc/self/status").read()
print(int(status.split("VmRSS:")[1].split()[0]) >> 10)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library decides by itself")
def test_beside_a_base_a_freed_block_between_others_returns_to_the_system():
    """Of 40 blocks of 10 MB every other one is freed: 200 MB are held, or still 400 beside a smaller base."""

    def held(base_bytes):
        run = [sys.executable, "-c", RETURNING, str(base_bytes)]
        return int(subprocess.run(run, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)

    small, large = held(MEDIUM_BASE - 1), held(MEDIUM_BASE)
    assert small - large == pytest.approx(200, rel=0.1)


def test_a_c_library_without_the_setting_is_left_alone(monkeypatch):
    monkeypatch.setattr("reward.base.machine.ctypes.CDLL", lambda name: object())
    assert not keep_freed_memory()
