#!/usr/bin/python3
"""What trainings by `edgectl train` on real daemons reach: accuracy, bytes on
links, and what a loss of boards costs. ROWS=mnist,parity runs those rows
alone; EDGE_DATA names the data, without which most rows are skipped."""
from figures import run_rows
from learn import (ddnn, finetune, kills, lossy, mnist, parity, paths, quick,
                   wire)

ROWS = {**mnist.ROWS, **parity.ROWS, **wire.ROWS, **quick.ROWS, **paths.ROWS,
        **kills.ROWS, **finetune.ROWS, **lossy.ROWS, **ddnn.ROWS}


if __name__ == "__main__":
    run_rows("learn", ROWS)
