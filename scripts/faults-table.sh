#!/usr/bin/env bash
# Writes the times of artifacts/faults/*.json into the last column of docs/reliability.md. A row belongs to the scenarios that its last column
# names in a comment: <!-- cut-seconds cut-minutes -->. Rows whose scenarios were not run stay as they are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
page=docs/reliability.md

while IFS= read -r line; do
    if [[ $line =~ ^(\|.*\|)[^|]*(\<\!--\ ([a-z0-9.+\ -]+)\ --\>)\ \|$ ]]; then
        columns=${BASH_REMATCH[1]} mark=${BASH_REMATCH[2]}
        times=()
        for scenario in ${BASH_REMATCH[3]}; do
            file=artifacts/faults/$scenario.json
            if [[ -e $file ]]; then times+=("$(sed -n 's/.*"seconds":\([0-9.]*\).*/\1/p' "$file")"); fi
        done
        if [[ ${#times[@]} -gt 0 ]]; then
            printf -v joined '%s, ' "${times[@]}"
            line="$columns ${joined%, } $mark |"
        fi
    fi
    printf '%s\n' "$line"
done <"$page" >"$page.new"
mv "$page.new" "$page"
