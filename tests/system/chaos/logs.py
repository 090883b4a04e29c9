"""What the programs say: lines of their logs with the time, from a moment
on. The logs' clock is the wall's, with milliseconds."""
import datetime
import time


class Tail:
    """The lines of one log from now on."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, encoding="utf-8", errors="replace")
        self.file.seek(0, 2)
        self.rest = ""

    def close(self):
        self.file.close()

    def lines(self):
        """(seconds since the epoch, event and fields) of what is new."""
        text = self.rest + self.file.read()
        *whole, self.rest = text.split("\n")
        found = []
        for line in whole:
            stamp, _, tail = line.partition(" ")
            try:
                when = datetime.datetime.fromisoformat(
                    stamp.replace("Z", "+00:00")).timestamp()
            except ValueError:
                continue
            found.append((when, tail))
        return found

    def wait(self, wanted, seconds):
        """The time of the first line that has every word of each of the
        alternatives in `wanted`; None: not within so long."""
        until = time.monotonic() + seconds
        while True:
            for when, line in self.lines():
                for words in wanted:
                    if all(w in line for w in words):
                        return when
            if time.monotonic() >= until:
                return None
            time.sleep(0.01)
