#!/usr/bin/python3
"""What trainings by `edgectl train` on real daemons reach: accuracy, bytes on
links, and what a loss of boards costs. ROWS=mnist,parity runs those rows
alone; EDGE_DATA names the data, without which most rows are skipped."""
import os
import sys
import traceback

from learn import finetune, kills, lossy, mnist, parity, paths, quick, run, wire

ROWS = {**mnist.ROWS, **parity.ROWS, **wire.ROWS, **quick.ROWS, **paths.ROWS,
        **kills.ROWS, **finetune.ROWS, **lossy.ROWS}


def main():
    wanted = [w for w in os.environ.get("ROWS", "").split(",") if w]
    unknown = [w for w in wanted if w not in ROWS]
    if unknown:
        sys.exit(f"bench_learn.py: no row {unknown[0]}; there are "
                 f"{', '.join(ROWS)}")
    failed = 0
    for name, row in ROWS.items():
        if wanted and name not in wanted:
            continue
        try:
            row()
        except run.Skip as e:
            print(f"figure learn.{name} - - target - skipped {e}", flush=True)
        except Exception:  # noqa: BLE001: the other rows go on
            traceback.print_exc()
            print(f"figure learn.{name} - - target - short it did not run",
                  flush=True)
            failed = 1
    sys.exit(failed)


if __name__ == "__main__":
    main()
