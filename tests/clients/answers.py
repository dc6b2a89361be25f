"""Are two answers the same?"""
import json
import re

import numpy as np

RTOL, ATOL = 1e-3, 1e-5
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def assert_close(name, got, expected):
    """Equal to the tolerance that the project promises; strings, integers and truths exactly."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{name}: shape {got.shape}, expected {expected.shape}"
    if expected.dtype.kind in "OSU":
        assert [text(x) for x in got.ravel()] == [text(x) for x in expected.ravel()], name
    elif expected.dtype.kind in "biu":
        np.testing.assert_array_equal(got, expected, err_msg=name)
    else:
        np.testing.assert_allclose(got, expected, RTOL, ATOL, err_msg=name)


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def assert_same_json(got, expected):
    """The same document; numbers to the tolerance."""
    if isinstance(expected, dict):
        assert isinstance(got, dict) and sorted(got) == sorted(expected), (got, expected)
        for key in expected:
            assert_same_json(got[key], expected[key])
    elif isinstance(expected, list):
        assert isinstance(got, list) and len(got) == len(expected), (got, expected)
        for one, other in zip(got, expected):
            assert_same_json(one, other)
    elif isinstance(expected, float):
        np.testing.assert_allclose(got, expected, RTOL, ATOL)
    else:
        assert got == expected, (got, expected)


def assert_same_text(got, expected):
    """The same text as a person reads it: blanks do not count, and numbers are equal to the tolerance."""
    try:
        return assert_same_json(json.loads(got), json.loads(expected))
    except json.JSONDecodeError:
        pass
    words = [" ".join(NUMBER.sub("#", part).split()) for part in (got, expected)]
    assert words[0] == words[1], f"got:\n{got}\nexpected:\n{expected}"
    numbers = [[float(n) for n in NUMBER.findall(part)] for part in (got, expected)]
    np.testing.assert_allclose(*numbers, RTOL, ATOL)
