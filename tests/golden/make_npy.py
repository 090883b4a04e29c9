#!/usr/bin/python3
"""Writes tests/golden/npy/: one array of each element type, and odd ones."""
import os
import numpy as np
from numpy.lib import format as npy

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "npy")
os.makedirs(here, exist_ok=True)


def save(name, array, version=(1, 0)):
    with open(os.path.join(here, name + ".npy"), "wb") as file:
        npy.write_array(file, array, version=version)


for code in "f4 f2 f8 i1 u1 i2 u2 i4 u4 i8 u8".split():
    # element i is 3 * i - 5 (modulo the type's range), in 2 x 3
    values = np.array([3 * i - 5 for i in range(6)], dtype=np.int64)
    save(code, values.astype(code).reshape(2, 3))
save("b1", np.array([True, False, True, True, False, False]).reshape(2, 3))
save("scalar", np.array(7, dtype="<f4"))
save("vector", np.arange(5, dtype="<i8"))
save("empty", np.zeros((0, 4), dtype="<f4"))
save("rank8", np.arange(1, dtype="<f4").reshape((1,) * 8))
save("version2", np.arange(5, dtype="<f4"), version=(2, 0))
save("version3", np.arange(5, dtype="<f4"), version=(3, 0))
save("fortran", np.asfortranarray(np.arange(6, dtype="<f4").reshape(2, 3)))
save("bigendian", np.arange(5, dtype=">f4"))
save("complex", np.arange(5, dtype="<c8"))
save("text", np.array(["ab", "cd"]))
save("fields", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))
save("rank9", np.zeros((1,) * 9, dtype="<f4"))
