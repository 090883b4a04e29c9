"""What every benchmark prints, and rows that are chosen by ROWS=a,b."""
import os
import sys
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def figure(text):
    """NAME VALUE UNIT target TARGET ok|short|skipped ..., shown and kept."""
    print("figure " + text, flush=True)
    os.makedirs(ROOT + "/build", exist_ok=True)
    with open(ROOT + "/build/figures.tsv", "a") as f:
        f.write("figure " + text + "\n")


class Skip(Exception):
    """A row cannot be measured here; its text says why."""


def run_rows(prefix, rows):
    """Calls those of `rows`, functions by name, that ROWS names, or all; one
    that fails does not keep the others from running. Ends the process."""
    wanted = [w for w in os.environ.get("ROWS", "").split(",") if w]
    unknown = [w for w in wanted if w not in rows]
    if unknown:
        sys.exit(f"there is no row {unknown[0]}; there are {', '.join(rows)}")
    failed = 0
    for name, row in rows.items():
        if wanted and name not in wanted:
            continue
        try:
            row()
        except Skip as e:
            figure(f"{prefix}.{name} - - target - skipped {e}")
        except Exception:  # noqa: BLE001: the other rows go on
            traceback.print_exc()
            figure(f"{prefix}.{name} - - target - short it did not run")
            failed = 1
    sys.exit(failed)
