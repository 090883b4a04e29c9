#!/bin/bash
# Runs in the guest: a first boot of the two units, and their ends.
set -u
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
out=/srv/out
mount -t hostfs none $out -o "$(cat /srv/out-path)"
exec 3>$out/tap >$out/log 2>&1
set -x
n=0
demo=/usr/local/share/doc/edged/examples/demo
address=10.79.0.1

case_() { # STATUS NAME: of the command before
    { set +x; } 2>/dev/null
    n=$((n + 1))
    [ "$1" = 0 ] || printf 'not ' >&3
    echo "ok $n $2" >&3
    set -x
}
is_within() { awk "BEGIN { exit !($1 <= $2) }"; }
now() { cut -d' ' -f1 /proc/uptime; }
passed() { awk "BEGIN { printf \"%.1f\", $(now) - $1 }"; }
figure() { echo "# figure $1 $2 s" >&3; }
pid_of() { systemctl show -P MainPID "$1"; }

# until_ SECONDS COMMAND...
until_() {
    local began limit=$1
    began=$(now)
    shift
    until "$@"; do
        is_within "$(passed "$began")" "$limit" || return 1
        sleep 0.05
    done
}

# Another process than $1 is edged's.
is_new() {
    local pid
    pid=$(pid_of edged)
    [ "$pid" != "$1" ] && [ "$pid" != 0 ]
}

is_ready() { edgectl nodes | grep -Eq '^pi-1 +ready'; }
is_circle() { edgectl infer $demo/images/circle_1.png | grep circle; }
says() { systemctl show -P StatusText "$1" | grep -F "$2"; }

# Its process has no capability, no way to more, and a filter.
is_confined() {
    local status
    status=$(cat "/proc/$(pid_of "$1")/status")
    grep -Eq '^CapEff:\s*0+$' <<<"$status" &&
        grep -Eq '^NoNewPrivs:\s*1$' <<<"$status" &&
        grep -Eq '^Seccomp:\s*2$' <<<"$status" &&
        ! grep -Eq '^Uid:\s*0' <<<"$status"
}

ip link set lo up
ip link add va type veth peer name vb
ip addr add $address/24 dev va
ip link set va up
ip link set vb up
systemctl daemon-reload

systemctl start edge-coordinator edged &&
    systemctl is-active edge-coordinator edged
case_ $? 'systemctl start, with nothing set up'
until_ 10 says edged 'sudo edged join -' &&
    until_ 10 says edge-coordinator 'sudo edgectl init'
case_ $? 'systemctl status says what to do'
is_confined edged && is_confined edge-coordinator
case_ $? 'no root, no capability, no new privileges, a filter of calls'

edgectl init && edgectl token create | edged join -
case_ $? 'edgectl token create | edged join -'
until_ 20 is_ready
case_ $? 'the board is a member, and ready'
sed -e "s|devices:.*|devices: [{name: pi-1, host: $address}]|" \
    -e '/^replicas:/d' -e "s|shapes.onnx|$demo/shapes.onnx|" \
    -e "s|labels.txt|$demo/labels.txt|" $demo/cluster.yaml >/root/cluster.yaml
edgectl deploy /root/cluster.yaml && is_circle
case_ $? 'edgectl deploy, edgectl infer'

old=$(pid_of edged)
began=$(now)
kill -KILL "$old"
until_ 10 is_new "$old"
case_ $? 'SIGKILL: another process'
figure p17.t_new_pid "$(passed "$began")"
until_ 30 is_circle
case_ $? 'which is a member and answers'
for _ in 1 2 3 4 5 6 7; do
    old=$(pid_of edged)
    [ "$old" = 0 ] || kill -KILL "$old"
    until_ 10 is_new "$old" || break
done
until_ 30 is_circle
case_ $? 'a crash loop does not end it for ever'

old=$(pid_of edged)
began=$(now)
kill -STOP "$old"
until_ 30 is_new "$old"
t=$(passed "$began")
figure p17.t_hang "$t"
is_within "$t" 16.5 # 15 s, and what this guest adds
case_ $? 'SIGSTOP: the watchdog starts another within 15 s'
until_ 30 is_circle
case_ $? 'which answers'

began=$(now)
systemctl stop edged edge-coordinator
figure p17.t_stop "$(passed "$began")"
[ "$(systemctl show -P Result edged)" = success ] &&
    [ "$(systemctl show -P Result edge-coordinator)" = success ]
case_ $? 'systemctl stop: both end by themselves'
systemctl start edge-coordinator edged && until_ 30 is_circle
case_ $? 'started again, it still answers'
journalctl -u edged -u edge-coordinator --no-pager | tail -n 40
echo "1..$n" >&3
