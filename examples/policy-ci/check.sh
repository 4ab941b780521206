#!/bin/sh
# Fails where a policy loses too much on recorded trials. For a build: see policy.yml beside.
#
# usage: check.sh POLICY JOURNAL...
#
# POLICY is a file or a folder of rules; the journals are those of the team, or histories from `earlystop import`.
#   EXPECT        what must hold; the names are those of `earlystop replay --json` [kept >= 0.9 and speedup >= 1.1]
#   PERMUTATIONS  random samples of complete trials; 0 replays in recorded time, for rules that read the host [200]
#   PAGE          the page that shows what is used and what is kept [replay.html]
set -eu
[ $# -ge 2 ] || { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2; }
policy=$1
shift
earlystop check "$policy"
drawn=
if [ "${PERMUTATIONS:-200}" != 0 ]; then drawn="--permutations ${PERMUTATIONS:-200} --seed 1"; fi
# Seed and samples are fixed: the same policy and the same journals always give the same answer.
# shellcheck disable=SC2086 # the words of $drawn are meant to be several
exec earlystop replay --policy "$policy" $drawn --html "${PAGE:-replay.html}" \
    --expect "${EXPECT:-kept >= 0.9 and speedup >= 1.1}" "$@"
