#!/usr/bin/env bash
# Runs test projects and ends with one line that sums them up: "N passed, N failed, N skipped".
#
#   scripts/test.sh [--no-build] [PROJECT_DIRECTORY...]     all of tests/*.Tests if none is named
#   scripts/test.sh --count DIRECTORY                       only sums the reports DIRECTORY/*.xml
#
#   FILTER=words    only tests whose full name matches *words*
#   NAMESPACE=NAME  only the tests of this namespace
#   SCENARIOS=all   only the fault scenarios, and also those that take minutes, which are left out otherwise
#   CI=true         a skipped test is a failure; up to three failed tests of a project run once more, when everything else is done
#
# Exit code 0 only if at least one test ran and none failed. Without FILTER every project has to run at least one: a
# runner that finds nothing exits with 0 in some set-ups.
set -euo pipefail
# A shell starts what runs in its background with SIGINT ignored, nohup with SIGHUP, and whoever inherits that is neither interrupted nor told to
# reload: tests do both.
[[ -n ${DEFAULT_SIGNALS:-} ]] || exec env --default-signal=INT,HUP DEFAULT_SIGNALS=1 "${BASH_SOURCE[0]}" "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Projects that make network namespaces or load BPF programs.
needs_root=' System.Tests Bpf.Tests '
results=artifacts/test-results

say() { printf 'test: %s\n' "$*" >&2; }

# One attribute of the <assembly> elements of an xunit report, summed.
attribute() {
    local sum=0 value
    # The writer escapes '>' inside attributes, so an element ends at the first one.
    for value in $(grep -o '<assembly [^>]*>' "$1" | sed -n "s/.* $2=\"\([0-9]*\)\".*/\1/p"); do
        sum=$((sum + value))
    done
    echo "$sum"
}

# The failed tests of report $1, each with the word $2 and the first lines of what it said: whoever sees only a log's end sees them.
failures() {
    verdict=$2 perl -0777 -ne '
        while (/<test [^>]*?name="([^"]*)" result="Fail".*?<message><!\[CDATA\[(.*?)\]\]>/sg) {
            my ($name, @said) = ($1, split /\n/, $2);
            $name =~ s/&quot;/"/g, $name =~ s/&lt;/</g, $name =~ s/&gt;/>/g, $name =~ s/&amp;/&/g;
            print "$ENV{verdict}: $name\n", map { "  " . substr($_, 0, 300) . "\n" } grep { defined } @said[0 .. 5];
        }' "$1"
}

# The failed tests of report $1, as the runner's filter wants them.
failed_methods() {
    perl -0777 -ne 'print "$1.$2\n" while /<test [^>]*?result="Fail"[^>]*? type="([^"]*)" method="([^"]*)"/sg' "$1" | sort -u
}

# Whether report $2, of the failed tests of report $1 run once more, has all of them and no failure.
passed_again() {
    [[ -s $2 && $(attribute "$1" errors) -eq 0 && $(attribute "$2" passed) -ge $(attribute "$1" failed) && $(($(attribute "$2" failed) + $(attribute "$2" errors))) -eq 0 ]]
}

# Prints the failed tests, and the summary of all reports in a directory as the last line; fails as described above.
# $2: failures that no report tells of.
count() {
    local passed=0 failed=${2:-0} skipped=0 report
    for report in "$1"/*.xml; do
        [[ -e $report ]] || continue
        passed=$((passed + $(attribute "$report" passed)))
        if passed_again "$report" "$1/again/${report##*/}"; then
            failures "$report" "passed only when run once more"
            passed=$((passed + $(attribute "$report" failed)))
        else
            failures "$report" failed
            # 'errors' are failures outside a test, as in a fixture's clean-up.
            failed=$((failed + $(attribute "$report" failed) + $(attribute "$report" errors)))
        fi
        skipped=$((skipped + $(attribute "$report" skipped)))
    done
    local verdict=0
    if [[ $((passed + failed)) -eq 0 ]]; then
        say "no test was executed"
        verdict=1
    fi
    if [[ ${CI:-} == true && $skipped -gt 0 ]]; then
        say "a skipped test is a failure in CI"
        verdict=1
    fi
    [[ $failed -eq 0 ]] || verdict=1
    echo "$passed passed, $failed failed, $skipped skipped"
    return "$verdict"
}

if [[ ${1:-} == --count ]]; then
    count "${2:?--count needs a directory}"
    exit
fi

build=yes
if [[ ${1:-} == --no-build ]]; then
    build=no
    shift
fi
projects=("$@")
[[ $# -gt 0 ]] || projects=(tests/*.Tests)

# A directory of this run alone, so that a run beside it, or before it, is not counted.
mkdir -p "$results"
run=$(mktemp -d "$results/run-XXXXXX")
# Tidying reports of days ago; another run may be doing the same, and this one does not depend on it: ignoring failures.
find "$results" -mindepth 1 -maxdepth 1 -name 'run-*' -mmin +1440 -exec rm -rf {} + 2>/dev/null || true

as_root=()
if [[ $EUID -ne 0 ]]; then
    # sudo drops the environment; what the tests and the lab look at is handed on.
    as_root=(sudo env "PATH=$PATH")
    for name in CI DOTNET_ROOT ACCELERATED_BIN ACCELERATED_ETCD ACCELERATED_ETCDCTL ACCELERATED_AGENT_FLAGS; do
        if [[ -n ${!name:-} ]]; then as_root+=("$name=${!name}"); fi
    done
fi

# Runs the tests of project $1 that the runner's arguments $3… leave, and has the report written to directory $2.
run_tests() {
    local name command
    name=$(basename "$1")
    command=(dotnet test --project "$1" --no-build --no-progress --results-directory "$2" --report-xunit --report-xunit-filename "$name.xml" "${@:3}")
    if [[ $needs_root == *" $name "* ]]; then command=("${as_root[@]}" "${command[@]}"); fi
    "${command[@]}" </dev/null
}

untold=0
for project in "${projects[@]}"; do
    name=$(basename "$project")
    if [[ $build == yes ]] && ! output=$(dotnet build "$project" --nologo --verbosity quiet 2>&1 </dev/null); then
        printf '%s\n' "$output" >&2
        say "$name does not build"
        untold=$((untold + 1))
        continue
    fi
    filter=()
    if [[ -n ${FILTER:-} ]]; then filter+=(--filter-method "*$FILTER*"); fi
    if [[ -n ${NAMESPACE:-} ]]; then filter+=(--filter-namespace "$NAMESPACE"); fi
    if [[ ${SCENARIOS:-} == all ]]; then
        filter+=(--filter-namespace 'Accelerated.System.Tests.Faults')
    else
        filter+=(--filter-not-trait 'Speed=slow')
    fi

    code=0
    run_tests "$project" "$run" "${filter[@]}" || code=$?
    report=$run/$name.xml
    told=0
    if [[ -s $report ]]; then told=$(($(attribute "$report" failed) + $(attribute "$report" errors))); fi
    # 8: the runner found no test to run (aka.ms/testingplatform/exitcodes); a filter may leave a project with none.
    if [[ $code -eq 8 && -n ${FILTER:-} ]]; then continue; fi
    if [[ $code -ne 0 && $told -eq 0 ]]; then
        say "$name failed with exit code $code"
        untold=$((untold + 1))
    elif [[ ! -s $report ]]; then
        say "$name wrote no report"
        untold=$((untold + 1))
    elif [[ $(($(attribute "$report" passed) + told)) -eq 0 ]]; then
        say "$name ran no test"
        untold=$((untold + 1))
    fi
done

# A defect fails a test again; a machine shared with others that stood still for seconds does not. Named all the same: a test that needs it
# wants mending.
if [[ ${CI:-} == true && $untold -eq 0 ]]; then
    for project in "${projects[@]}"; do
        report=$run/$(basename "$project").xml
        if [[ ! -s $report ]]; then continue; fi
        failed=$(attribute "$report" failed)
        if [[ $failed -eq 0 || $failed -gt 3 ]]; then continue; fi
        filter=()
        while read -r method; do filter+=(--filter-method "$method"); done < <(failed_methods "$report")
        # Its verdict is in its report: ignoring the exit code.
        run_tests "$project" "$run/again" "${filter[@]}" || true
    done
fi

count "$run" "$untold"
