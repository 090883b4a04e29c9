"""What else the machine does. A row that counts milliseconds proves nothing
where other work takes the processors meanwhile, so its time is looked at
before and after, while no row runs."""
import os
import time

LOOK = 1.0     # seconds of one look
BUSY = 0.15    # of all processors, by others: too much for timings
PATIENCE = 30  # seconds to wait for quiet before a row


def _ticks():
    """(busy, all) of all processors. Time at a low priority yields to ours
    and does not count."""
    with open("/proc/stat") as f:
        n = list(map(int, f.readline().split()[1:9]))
    user, _nice, system, _idle, _iowait, irq, softirq, steal = n
    return user + system + irq + softirq + steal, sum(n)


def others(seconds=LOOK):
    """The share of the processors that is taken now."""
    busy0, all0 = _ticks()
    time.sleep(seconds)
    busy1, all1 = _ticks()
    return (busy1 - busy0) / max(1, all1 - all0)


def wait():
    """Until it is quiet, or patience ends; what is taken then."""
    end = time.monotonic() + PATIENCE
    share = others()
    while share > BUSY and time.monotonic() < end:
        share = others()
    return share


def said(share):
    return (f"others took {share:.0%} of {os.cpu_count()} processors, "
            f"at most {BUSY:.0%} may be")
