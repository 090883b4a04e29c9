# Counts the cases in one test's output and prints "passed failed skipped".
# It reads cmocka's report, TAP, and a last line "N passed, N failed" with
# or without ", N skipped", after "name: " or not.

/^\[  PASSED  \] [0-9]+ test/ { passed += $4 }
/^\[  FAILED  \] [0-9]+ test/ { failed += $4 }
/^\[  SKIPPED \] [0-9]+ test/ { skipped += $4 }

/^1\.\.[0-9]+/ { planned = substr($1, 4) + 0 }
/^ok [0-9]+/ {
    tap++
    if (tolower($0) ~ /# *skip/) {
        skipped++
    } else {
        passed++
    }
}
/^not ok [0-9]+/ { tap++; failed++ }

/^([a-z_ ]+: )?[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ {
    said = 1
    sub(/^.*: /, "")
    said_passed = $1
    said_failed = $3
    said_skipped = $6 == "skipped" ? $5 : 0
}

END {
    if (said) {
        passed += said_passed
        failed += said_failed
        skipped += said_skipped
    }
    if (planned > tap) {
        failed += planned - tap
    }
    print passed + 0, failed + 0, skipped + 0
}
