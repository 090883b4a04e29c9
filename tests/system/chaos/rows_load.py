"""P15: four times as many requests as the boards can answer.

The boards are made slow (edgectl fault slow), as real ones are beside a
client: on one machine a load of four times its own speed would only measure
how client and boards share its cores."""

from load import Load, peak_rate, quantile
from lab_choice import loopback
from rows_death import MODEL, deploy, grown, until
from trial import Void
from usage import Usage

EXTRA_MS = 10


def slow_boards(cluster, extra_ms=EXTRA_MS):
    for name in cluster.names():
        if name == "coordinator":
            continue
        rc, _, err = cluster.ctl("fault", "slow", name, "--extra",
                                 str(extra_ms), "--for", "10m", "--no-watch")
        if rc != 0:
            raise Void("fault slow: " + err)


def overload(t):
    seconds = 4 if t.short else 10
    with loopback(4, allow_faults=True) as cluster:
        deploy(cluster, 2)
        base = Usage(cluster)
        slow_boards(cluster)
        peak = peak_rate(cluster, MODEL, 3 if t.short else 6, clients=32)
        rate = int(peak * 4)
        t.note(f"peak {peak:.0f}/s, offered {rate}/s")
        load = Load(cluster, MODEL, seconds=seconds, rate=rate, clients=16)
        until(seconds + 2, lambda: not load.running())
        report = load.finish(90)
        if report is None:
            t.must(False, "the client ended early: " + load.err[-300:])
            return
        judge_overload(t, load, report, peak, seconds)
        if t.healthy(cluster, "after"):
            calm = peak_rate(cluster, MODEL, 2, clients=32)
            t.must(calm >= 0.8 * peak, f"{calm:.0f}/s after it, {peak:.0f}/s "
                   "before")
        grown(t, cluster, base)


def judge_overload(t, load, report, peak, seconds):
    first = min(a.due for a in load.answers)
    end = first + seconds
    good = [a for a in load.answers
            if a.how == "ok" and first + 1 <= a.done < end]
    goodput = len(good) / (seconds - 1)
    rejects = [(a.done - a.sent) * 1e3 for a in load.answers
               if a.how == "EBUSY"]
    others = [a for a in load.answers if a.how not in ("ok", "EBUSY")]
    offered = len(load.answers) / seconds
    # Clients that nobody rejects wait for their answers, and offer less.
    if offered < (3 if rejects else 1.5) * peak:
        raise Void(f"{offered:.0f}/s offered, that is no overload of "
                   f"{peak:.0f}/s")
    t.least("goodput", round(100 * goodput / peak, 1), "%", 90,
            f"{goodput:.0f}/s of {peak:.0f}/s at {offered:.0f}/s")
    t.must(len(rejects) > 0, "nothing was rejected: the queues have no end")
    t.most("t_reject_p99", round(quantile(rejects, .99), 2), "ms", 10,
           f"{len(rejects)} rejected, max {max(rejects, default=0):.1f} ms")
    resent = sum(a.resent for a in load.answers)
    t.most("retry", round(100 * resent / max(1, len(good)), 2), "%", 20)
    t.exactly("wrong", report["wrong"])
    t.exactly("duplicate", report["repeated"])
    t.must(not others, f"{len(others)} ended otherwise, the first: "
           + (others[0].text if others else ""))
    t.measured(f"p50 of answers {quantile([a.ms for a in good], .5):.0f} ms")


