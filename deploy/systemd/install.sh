#!/bin/sh
# Step 1 of docs/run-a-node.md: everything that a node needs on a bare Debian machine, as root.
# Run again, it brings the machine to the version of the tree that it lies in. Keys and data are not touched.
set -eu
cd "$(dirname "$0")/../.."
prefix="${PREFIX:-/opt/sps}"

if ! python3 -c 'import sys, venv, ensurepip; assert sys.version_info >= (3, 11)' 2>/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv ca-certificates
fi

# A user of its own, who cannot log in.
getent group sps >/dev/null || groupadd --system sps
getent passwd sps >/dev/null ||
  useradd --system --gid sps --home-dir /var/lib/sps --no-create-home --shell /usr/sbin/nologin sps
install -d -o sps -g sps -m 0700 /var/lib/sps

# Strangers pinned by hash, then our own packages without dependencies, as in the Makefile. Beside the old tree:
# an install that breaks off leaves the old one as it was.
rm -rf "$prefix.new"
python3 -m venv "$prefix.new"
pip="$prefix.new/bin/python -m pip --quiet --disable-pip-version-check --no-cache-dir"
$pip install --require-hashes --only-binary :all: -r requirements/build.txt
$pip install --require-hashes --only-binary :all: -r requirements/runtime.txt
sources="$(mktemp -d)"
cp -r libs/common libs/cli services "$sources"  # what setuptools leaves behind stays there
$pip install --no-deps --no-build-isolation "$sources"/common "$sources"/cli "$sources"/services/*/
rm -rf "$sources"
# Programs name their interpreter by its whole path.
find "$prefix.new/bin" -type f -exec sed -i "s|$prefix\.new|$prefix|g" {} +
install -D -m 0644 docs/run-a-node.md "$prefix.new/share/doc/sps/run-a-node.md"
rm -rf "$prefix.old"
if [ -e "$prefix" ]; then mv "$prefix" "$prefix.old"; fi
mv "$prefix.new" "$prefix"
rm -rf "$prefix.old"
ln -sf "$prefix/bin/sps" /usr/local/bin/sps

install -D -m 0644 deploy/systemd/sps-node.service /etc/systemd/system/sps-node.service
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
echo "installed in $prefix. next: sps node init"
