"""Bad submissions that take too much, print, leave something behind, or are a nuisance when they are imported.

Apart from the others of the corpus, because most of them make the kit wait: half of the seconds are theirs.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bad_corpus import MISBEHAVING, Bad


@pytest.mark.slow
@pytest.mark.parametrize("bad", MISBEHAVING, ids=lambda bad: bad.path.stem)
def test_a_submission_that_misbehaves_fails_the_check_that_names_its_fault(
    bad: Bad, fails_as_it_says: Callable[[Bad], None]
) -> None:
    fails_as_it_says(bad)
