#!/usr/bin/env bash
# Installs what a target needs from Debian's packages: install_packages.sh build|run|test|bench.
# Where that cannot be done (another system, no root) it prints the list and stops.
set -euo pipefail

build=(g++ cmake ninja-build make pkg-config git libfmt-dev libcli11-dev nlohmann-json3-dev libtomlplusplus-dev libsqlite3-dev
       libcurl4-openssl-dev)
run=(python3 python3-torch python3-sklearn)
test=("${build[@]}" libgtest-dev libgmock-dev ccache clang-19 clang-format-19 clang-tidy-19 libclang-rt-19-dev llvm-19
      python3 python3-dev python3-pytest python3-venv iproute2 util-linux procps)
bench=("${build[@]}" libbenchmark-dev linux-perf hyperfine victoria-metrics python3 python3-dev python3-venv python3-torch)

what=${1:?usage: install_packages.sh build|run|test|bench}
declare -n wanted=$what
[ "${NO_INSTALL:-0}" = 1 ] && exit 0

missing=()
if command -v dpkg-query > /dev/null; then
  for package in "${wanted[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && exit 0
else
  missing=("${wanted[@]}")
fi

if ! command -v apt-get > /dev/null || [ "$(id -u)" != 0 ]; then
  echo "These Debian packages (or your system's equivalents) are needed to $what everywatt:" >&2
  echo "  ${missing[*]}" >&2
  echo "Install them and run make again, or NO_INSTALL=1 make … where they are there under other names." >&2
  exit 1
fi
echo "== installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
