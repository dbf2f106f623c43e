#!/usr/bin/env bash
# Rows of the table in docs/robustness.md from the logs in the folder given: .ci/fuzz.sh writes them.
set -euo pipefail
(($# == 1)) || {
    echo "usage: $0 FOLDER" >&2
    exit 2
}
printf '| target | sanitizer | executions | seconds | edges | features | findings |\n|---|---|---|---|---|---|---|\n'
for text in "$1"/*.*.txt; do
    name=${text##*/}
    name=${name%.txt}
    awk -v target="${name%.*}" -v sanitizer="${name##*.}" '
        # While it runs: "#123 NEW cov: 1 ft: 2 ...". At the end: "Done 123 runs in 45 second(s)".
        /^#[0-9]+/ {
            executions = substr($1, 2)
            for (i = 2; i < NF; i++) {
                if ($i == "cov:") cov = $(i + 1)
                if ($i == "ft:") ft = $(i + 1)
            }
        }
        /^Done [0-9]+ runs in / { executions = $2; seconds = $5 }
        /^stat::number_of_executed_units/ { executions = $2 }
        /^(SUMMARY|==[0-9]+== ERROR)/ { findings++ }
        END {
            printf "| `%s` | %s | %s | %s | %s | %s | %d |\n", target, sanitizer, executions,
                seconds == "" ? "unfinished" : seconds, cov, ft, findings
        }' "$text"
done
