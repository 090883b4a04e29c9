#!/usr/bin/env bats
# edgectl as a program: its help, exit codes, environment, progress, and local
# clusters that come and go.

IMAGE=deploy/demo/images/star_1.jpg
YAML=deploy/demo/cluster.yaml

setup_file() {
    export XDG_RUNTIME_DIR=$BATS_FILE_TMPDIR/run
    export XDG_STATE_HOME=$BATS_FILE_TMPDIR/state
    unset EDGED_CLUSTER EDGED_API EDGED_OUTPUT EDGED_TIMEOUT
    unset NO_COLOR CLICOLOR_FORCE
    mkdir -p "$XDG_RUNTIME_DIR"
    ctl up --local 4 -q
    ctl deploy $YAML -q >/dev/null
}

teardown_file() {
    ctl down -q || true
    ctl down -q -c other || true
    ctl down -q -c third || true
}

ctl() {
    "${EDGE_BIN:-build/release}/edgectl" "$@"
}

apart() {
    status=0
    ctl "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || status=$?
    output=$(cat "$BATS_TEST_TMPDIR/out")
    errors=$(cat "$BATS_TEST_TMPDIR/err")
}

has_escape() {
    LC_ALL=C grep -q $'\x1b' <<<"$1"
}

# The pid of local cluster $1's coordinator.
coordinator() {
    pgrep -P "$(cat "$XDG_RUNTIME_DIR/edged-$1/up.pid")" edge-coordinat
}

@test "every verb of the table has its help, with two examples" {
    verbs=$(ctl help | sed -nE 's/^  ([a-z]+) .*/\1/p')
    [ "$(wc -l <<<"$verbs")" -ge 14 ]
    for verb in $verbs; do
        apart help "$verb"
        [ "$status" -eq 0 ]
        [ -z "$errors" ]
        [ "$(grep -c "^  edgectl $verb\|^  .*| edgectl $verb" <<<"$output")" \
            -eq 2 ]
    done
}

@test "mistyped verbs and options: exit 2 and what was meant" {
    apart deply
    [ "$status" -eq 2 ]
    [[ "$errors" == *'Did you mean "deploy"?'* ]]
    apart status --wach
    [ "$status" -eq 2 ]
    [[ "$errors" == *'Did you mean "--watch"?'* ]]
    apart status -o xml
    [ "$status" -eq 2 ]
    apart
    [ "$status" -eq 2 ]
    apart --timeout 5 -o json version
    jq -e .version <<<"$output"
    apart help nothing
    [ "$status" -eq 2 ]
}

@test "exit 3: a wrong file; exit 4: no cluster; exit 1: refused" {
    echo 'nam: x' >"$BATS_TEST_TMPDIR/bad.yaml"
    apart deploy "$BATS_TEST_TMPDIR/bad.yaml"
    [ "$status" -eq 3 ]
    [[ "$errors" == *'bad.yaml:1:1: error: '*'"name"'* ]]
    apart -c nowhere status
    [ "$status" -eq 4 ]
    [[ "$errors" == *'edgectl up'* ]]
    apart undeploy nothing
    [ "$status" -eq 1 ]
    apart -c nowhere down
    [ "$status" -eq 4 ]
}

@test "JSON: the keys that programs rely on" {
    ctl status -o json | jq -e '.deployments[0] | .name == "demo" and
        .state == "ready" and (.stages | length) == 2 and
        has("generation") and has("failed") and has("p99_ms")'
    ctl nodes -o json | jq -e '[.nodes[].name] | sort ==
        ["local-1", "local-2", "local-3", "local-4"]'
    ctl nodes --json | jq -e '.nodes[0] | has("rss") and .state == "ready"'
    ctl plan $YAML -o json | jq -e '.number > 0 and .deployment == "demo" and
        (.changed | not) and (.devices | length) == 4'
    ctl version -o json | jq -e '.version != "" and .wire != ""'
}

@test "events: what has happened, oldest first; status shows the newest" {
    apart events
    [ "$status" -eq 0 ]
    [[ "$output" == *"local-4: connected"* ]]
    [[ "$(tail -n 1 <<<"$output")" == *" ago "*"generation 1 answers now"* ]]
    apart events -n 1 -o json
    jq -e '.kind == "switch" and .number > 4 and .node == "" and
        (.time | fromdateiso8601? // (sub("[.][0-9]+Z"; "Z") |
        fromdateiso8601) > 1700000000)' <<<"$output"
    ctl events -f >"$BATS_TEST_TMPDIR/follow" 3>&- &
    follower=$!
    kill -9 "$(pgrep -P "$(cat "$XDG_RUNTIME_DIR/edged-local/up.pid")" \
        -f -- '--name local-3')"
    timeout 10 bash -c "until grep -q 'back *local-3: back after' \
        $BATS_TEST_TMPDIR/follow; do sleep 0.05; done"
    kill $follower
    grep -q 'lost *local-3: ' "$BATS_TEST_TMPDIR/follow"
    timeout 10 bash -c "until ${EDGE_BIN:-build/release}/edgectl status |
        grep -q 'ago  local-3: back after'; do sleep 0.05; done"
}

@test "plan --detailed-exitcode: 0 without changes, 10 with" {
    apart plan -d $YAML
    [ "$status" -eq 0 ]
    sed "s|replicas: 2|replicas: 4|; s|shapes.onnx|$PWD/deploy/demo/&|
        s|labels.txt|$PWD/deploy/demo/&|" $YAML >"$BATS_TEST_TMPDIR/more.yaml"
    apart plan -d "$BATS_TEST_TMPDIR/more.yaml"
    [ "$status" -eq 10 ]
}

@test "deploy --plan: the plan that was shown, or none" {
    number=$(ctl plan $YAML -o json | jq .number)
    before=$(ctl status -o json | jq '.deployments[0].generation')
    apart deploy --plan $((number % 999999 + 1)) $YAML
    [ "$status" -eq 1 ]
    [[ "$errors" == *"that is $number now"* ]]
    [ "$(ctl status -o json | jq '.deployments[0].generation')" = "$before" ]
    ctl deploy --plan "$number" $YAML -q
    [ "$(ctl status -o json | jq '.deployments[0].generation')" = \
        $((before + 1)) ]
}

@test "flag before environment before default" {
    EDGED_OUTPUT=json apart status
    jq -e '.nodes | length == 4' <<<"$output"
    EDGED_OUTPUT=json apart status -o table
    [[ "$output" == demo* ]]
    EDGED_CLUSTER=nowhere apart status
    [ "$status" -eq 4 ]
    EDGED_CLUSTER=nowhere apart status -c local
    [ "$status" -eq 0 ]
    EDGED_API=$XDG_RUNTIME_DIR/edged-local/api.sock EDGED_CLUSTER=nowhere \
        apart status
    [ "$status" -eq 0 ]
    EDGED_TIMEOUT=never apart status
    [ "$status" -eq 2 ]
}

@test "--timeout: exit 5, by flag and by environment" {
    pid=$(coordinator local)
    kill -STOP "$pid"
    apart status --timeout 1
    of_flag=$status
    EDGED_TIMEOUT=1 apart deploy $YAML
    kill -CONT "$pid"
    [ "$of_flag" -eq 5 ]
    [ "$status" -eq 5 ]
    [[ "$errors" == *"not done within --timeout"* ]]
}

@test "color is for terminals, unless it is asked for" {
    apart status
    ! has_escape "$output$errors"
    CLICOLOR_FORCE=1 apart status
    has_escape "$output"
    CLICOLOR_FORCE=1 NO_COLOR=1 apart status
    ! has_escape "$output"
    CLICOLOR_FORCE=1 apart status --color never
    ! has_escape "$output"
    NO_COLOR=1 apart status --color always
    has_escape "$output"
}

@test "progress in a pipe: a line per phase, at most four a node" {
    ctl up -q --local 2 -c other
    sed "s|local 4|local 2|; s|shapes.onnx|$PWD/deploy/demo/&|
        s|labels.txt|$PWD/deploy/demo/&|; s|replicas: 2.*|replicas: 1|" \
        $YAML >"$BATS_TEST_TMPDIR/two.yaml"
    apart deploy -c other "$BATS_TEST_TMPDIR/two.yaml"
    ctl down -q -c other
    [ "$status" -eq 0 ]
    ! has_escape "$output$errors"
    [ "$(grep -cx push <<<"$errors")" -eq 1 ]
    [ "$(grep -c '^push local-1 ' <<<"$errors")" -le 4 ]
    [ "$(sort <<<"$errors" | uniq -d)" = "" ]
}

@test "progress on a terminal is one line that is drawn again" {
    command -v tmux >/dev/null || skip "tmux is not installed"
    tmux -L "edged-$$" -f /dev/null new-session -d -x 80 -y 24 \
        "${EDGE_BIN:-build/release}/edgectl deploy $YAML; echo rc=\$?; sleep 20"
    for _ in {1..100}; do
        tmux -L "edged-$$" capture-pane -p >"$BATS_TEST_TMPDIR/pane"
        grep -q rc= "$BATS_TEST_TMPDIR/pane" && break
        sleep 0.1
    done
    tmux -L "edged-$$" kill-server
    # What stays is the result.
    [ "$(grep -c . "$BATS_TEST_TMPDIR/pane")" -le 3 ]
    grep -q '^deployed demo generation' "$BATS_TEST_TMPDIR/pane"
    grep -q 'rc=0' "$BATS_TEST_TMPDIR/pane"
}

@test "Ctrl-C: exit 130, and the cluster goes on" {
    # A background job of a script has SIGINT ignored; python gives it back.
    status=0
    /usr/bin/python3 - "${EDGE_BIN:-build/release}/edgectl" <<'EOF' || status=$?
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
p = subprocess.Popen([sys.argv[1], "status", "-w"], stdout=subprocess.PIPE)
p.stdout.readline()
p.send_signal(signal.SIGINT)
sys.exit(p.wait())
EOF
    [ "$status" -eq 130 ]
    ctl status >/dev/null
}

@test "Ctrl-C during a deploy: exit 130, and the deploy goes on" {
    before=$(ctl status -o json | jq '.deployments[0].generation')
    status=0
    /usr/bin/python3 - "${EDGE_BIN:-build/release}/edgectl" $YAML \
        <<'EOF' || status=$?
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
p = subprocess.Popen([sys.argv[1], "deploy", sys.argv[2], "--progress=plain"],
                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
while p.stderr.readline() not in (b"plan\n", b""):
    pass
p.send_signal(signal.SIGINT)
sys.exit(p.wait())
EOF
    [ "$status" -eq 130 ]
    for _ in {1..50}; do
        after=$(ctl status -o json | jq '.deployments[0].generation')
        [ "$after" -eq "$before" ] || break
        sleep 0.1
    done
    [ "$after" -eq $((before + 1)) ]
}

@test "up twice is refused; two clusters stand side by side" {
    apart up
    [ "$status" -eq 1 ]
    [[ "$errors" == *"runs already"* ]]
    ctl up -q --local 1 -c third
    [ "$(ctl nodes -c third -o json | jq '.nodes | length')" -eq 1 ]
    [ "$(ctl nodes -o json | jq '.nodes | length')" -eq 4 ]
    [ "$(ctl status -c third -o json | jq '.deployments')" = "[]" ]
    ctl down -q -c third
    ctl status >/dev/null
}

@test "down leaves nothing that runs; up brings back what was deployed" {
    generation=$(ctl status -o json | jq '.deployments[0].generation')
    supervisor=$(cat "$XDG_RUNTIME_DIR/edged-local/up.pid")
    children=$(pgrep -P "$supervisor")
    [ "$(wc -l <<<"$children")" -eq 5 ]
    ctl down -q
    for pid in $supervisor $children; do
        [ ! -e "/proc/$pid" ] || grep -q '^State:.*Z' "/proc/$pid/status"
    done
    [ -z "$(find "$XDG_RUNTIME_DIR" ! -type d)" ]
    ctl up -q --local 4
    for _ in {1..50}; do
        ctl infer -o json $IMAGE >"$BATS_TEST_TMPDIR/got" && break
        sleep 0.1
    done
    [ "$(jq -r '.top[0].label' "$BATS_TEST_TMPDIR/got")" = star ]
    [ "$(ctl status -o json | jq '.deployments[0].generation')" = \
        "$generation" ]
}

@test "undeploy: nothing is left to infer with" {
    apart undeploy demo
    [ "$status" -eq 0 ]
    apart infer $IMAGE
    [ "$status" -eq 1 ]
    [[ "$errors" == *"edgectl deploy cluster.yaml"* ]]
}
