#!/bin/sh
# The tool as a container image: its program, linked statically, and the host's certificate authorities.
#
#   examples/container.sh FILE [REFERENCE]
#
# `skopeo copy oci-archive:FILE docker://REGISTRY/NAME:TAG` brings it to a registry.
set -eu
[ $# -ge 1 ] || { echo "usage: $0 FILE [REFERENCE]" >&2; exit 2; }
file=$1
name=${2:-localhost/imagebuild:0.1.0}
project=$(cd "$(dirname "$0")/.." && pwd)
authorities=/etc/ssl/certs/ca-certificates.crt
[ -r "$authorities" ] || { echo "$0: $authorities is not there; install ca-certificates" >&2; exit 1; }

# With a target, so that what the compiler itself loads stays dynamic.
target=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS='-C target-feature=+crt-static' \
    cargo build --quiet --locked --release --manifest-path "$project/Cargo.toml" --target "$target" --bin imagebuild
program=${CARGO_TARGET_DIR:-$project/target}/$target/release/imagebuild

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 0755 "$tree"
install -D -m 0755 "$program" "$tree/usr/bin/imagebuild"
install -D -m 0644 "$authorities" "$tree/etc/ssl/certs/ca-certificates.crt"
find "$tree" -type d -exec chmod 0755 {} +
"$program" container "$tree" -o "$file" --name "$name" --entrypoint /usr/bin/imagebuild --user 65534:65534
