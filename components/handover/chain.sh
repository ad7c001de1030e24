#!/bin/sh
# The stages in order, each by `torchx run --wait`; the first that fails ends it with its exit code.
#
#     components/handover/chain.sh SPEC [key=value ...]
#
# Run it in the project's folder with its environment activated. Given again, it goes on: a stage
# whose work is done says so and returns at once.
#
#     SCHEDULER=slurm SCHEDULER_CFG=partition=gpu,time=24:00:00 components/handover/chain.sh SPEC
#     STAGES=train components/handover/chain.sh SPEC
set -eu

if [ $# -eq 0 ]; then
    echo "error: usage: $0 SPEC [key=value ...]" >&2
    exit 2
fi
spec=$1
shift

for stage in ${STAGES:-prepare train evaluate}; do
    torchx run --wait --log --scheduler "${SCHEDULER:-local_cwd}" \
        ${SCHEDULER_CFG:+--scheduler_args "$SCHEDULER_CFG"} \
        "mep.$stage" --spec "$spec" -- "$@"
done
