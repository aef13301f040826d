"""What goes into C source."""

import pytest

from edgekit.bundle import layout


@pytest.mark.parametrize(
    ("text", "literal"),
    [("Bag", '"Bag"'), ('a"b', r'"a\042b"'), ("a\\b", r'"a\134b"'), ("é1", r'"\303\2511"'), ("??/", r'"\077\077/"')],
)
def test_names_become_literals_that_no_name_can_leave(text, literal):
    assert layout.c_string(text) == literal
