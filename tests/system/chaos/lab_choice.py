"""Where a row's cluster lives: on loopback, or in network namespaces."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, ROOT + "/tests/system")
sys.path.insert(0, ROOT + "/tests/lib/lab")
import cluster as lab_cluster  # noqa: E402
import namespaces  # noqa: E402
from edged_test import Cluster  # noqa: E402

from trial import Skip  # noqa: E402


def loopback(n, **more):
    """On loopback; with EDGE_LAB in namespaces, if there can be any."""
    if os.environ.get("EDGE_LAB") and not namespaces.why_not() and not more:
        return lab(n)
    return Cluster(n, **more)


def lab(n, **more):
    reason = namespaces.why_not()
    if reason:
        raise Skip(reason)
    return lab_cluster.LabCluster(n, **more)
