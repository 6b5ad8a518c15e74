"""The tests, in tiers by what they cost; what they share is in `testkit`."""

import pytest

# Before anything of it is imported: its asserts say as much as those of tests.
pytest.register_assert_rewrite("testkit")
