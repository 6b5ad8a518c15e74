"""Generates text that could break out of logs, outputs and pages."""

from __future__ import annotations

from hypothesis import strategies as st

#: Text with what could be a command, an end of line in any of its forms, an escape or half a character.
NASTY = ["::", "##[", "\n", "\r", "\r\n", "\u2028", "\u0085", "\x0b", "%0A", "\x1b[31m", "\u202e", "\ud800", "EOF", ","]

hostile = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=5), st.just("::error::x"))).map("".join)
