#!/usr/bin/env bash
# Everything that can be wrong without running a test. Changes nothing; 'make format' corrects what can be corrected.
# All checks run, so that one look tells all; the exit code says whether any failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

failures=0

# check TITLE COMMAND...: silent while it succeeds.
check() {
    local title=$1 output
    shift
    if output=$("$@" 2>&1 </dev/null); then
        echo "lint: $title: ok"
    else
        printf '%s\n' "$output"
        echo "lint: $title: FAILED ($*)"
        failures=$((failures + 1))
    fi
}

mapfile -t scripts < <(git ls-files -- '*.sh' '*.init' '.ci/run')
mapfile -t c_files < <(git ls-files -- '*.c' '*.h')

shell_syntax() {
    local script bad=0
    for script in "${scripts[@]}"; do
        bash -n "$script" || bad=1
    done
    return "$bad"
}

c_format() {
    scripts/deps.sh lint && clang-format --dry-run --Werror "${c_files[@]}"
}

# Against the empty tree, so that every tracked line counts and not only what changed. Recorded fixtures stay as recorded.
whitespace() {
    # A raw string in C# may hold text that is indented by tabs.
    git -c core.whitespace=-space-before-tab diff --check "$(git hash-object -t tree /dev/null)" -- . ':!tests/fixtures' ':!*.sln'
}

check 'lock files' dotnet restore Accelerated.sln --locked-mode --nologo --verbosity quiet
check 'warnings' dotnet build Accelerated.sln --no-restore --nologo --verbosity quiet
check 'format' dotnet format Accelerated.sln --verify-no-changes --no-restore
if [[ ${#scripts[@]} -gt 0 ]]; then check 'shell syntax' shell_syntax; fi
if [[ ${#c_files[@]} -gt 0 ]]; then check 'C format' c_format; fi
check 'whitespace' whitespace

if [[ $failures -gt 0 ]]; then
    echo "lint: $failures failed" >&2
    exit 1
fi
