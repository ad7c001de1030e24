#!/usr/bin/env bash
# Runs the stages of `make demo` in the image as they should run anywhere: as user 1000, without rights,
# with a root file system that cannot be written to, and a volume for the runs.
#
#     docker/check.sh [IMAGE [key=value ...]]        ENGINE=podman for another engine than docker
#     docker/check.sh multi-embedding-pipeline:cpu data.generator.rows=20000 train.epochs=1
set -euo pipefail
engine=${ENGINE:-docker}
image=${1:-multi-embedding-pipeline:cpu}
overrides=("${@:2}")
volume=mep-check-$$
trap '"$engine" volume rm --force "$volume" >/dev/null' EXIT

inside() {
    echo "== $*"
    "$engine" run --rm --read-only --tmpfs /tmp --shm-size 2g --user 1000:1000 --cap-drop ALL \
        --security-opt no-new-privileges --volume "$volume:/app/runs" "$image" "$@"
}

chain() {
    inside python -m components.chain --scheduler local_cwd --spec specs/demo.toml -- \
        "$@" "${overrides[@]}"
}

inside sh -c 'id -u | grep -qx 1000 && ! touch /app/file 2>/dev/null && touch runs/file /tmp/file'
inside python -m pipeline.doctor
chain run.directory=runs/demo
chain run.directory=runs/single data.directory=runs/demo/dataset model.sets=1 model.embedding_dim=32
inside python -m pipeline.compare runs/demo runs/single
# A second container finds what the first has compiled.
inside sh -c 'ls runs/.numba/*/*.nbi'
inside python -c '
import subprocess, time, urllib.request
command = "python -m tensorboard.main --logdir runs --host 0.0.0.0 --port 6006".split()
found, end = b"", time.monotonic() + 300
with subprocess.Popen(command) as server:
    while b"demo" not in found and time.monotonic() < end:
        time.sleep(2)
        try:
            found = urllib.request.urlopen("http://localhost:6006/data/runs", timeout=60).read()
        except OSError:
            continue
    server.terminate()
assert b"demo" in found, found
print("TensorBoard serves", found.decode())
'
echo "== well: $image"
