"""On which line a key stands, however it is written."""

from __future__ import annotations

from pathlib import Path

from mixer_core.runtime.toml_lines import key_lines

TEXT = '''# a comment
top = 1

[oven]          # the oven
port = 9001
words = """
[not.a.section]
port = 3
"""
list = [
  1,  # ]
  2,
]
inner.deep.key = 5

[oven."a b"]
x = { y = 1 }
[[shelf]]
z = 3
'''


def test_every_form_of_key_has_the_line_where_it_begins() -> None:
    assert key_lines(TEXT) == {
        ("top",): 2,
        ("oven",): 4,
        ("oven", "port"): 5,
        ("oven", "words"): 6,
        ("oven", "list"): 10,
        ("oven", "inner"): 14,
        ("oven", "inner", "deep"): 14,
        ("oven", "inner", "deep", "key"): 14,
        ("oven", "a b"): 16,
        ("oven", "a b", "x"): 17,
        ("oven", "a b", "x", "y"): 17,
        ("shelf",): 18,
        ("shelf", "z"): 19,
    }


def test_the_packaged_file_has_a_line_for_every_key() -> None:
    path = Path(__file__).parents[3] / "deploy" / "mixminus.toml"
    text = path.read_text(encoding="utf-8")
    lines, found = text.splitlines(), key_lines(text)
    for (_, *key), line in found.items():
        assert (key[-1] if key else "[") in lines[line - 1]
    assert ("signaling", "http_port") in found and ("openai_link", "prices") in found


def test_what_is_no_toml_ends_the_search_and_nothing_else() -> None:
    assert key_lines("[a]\nb = 1\nc = [\n" + "x\n" * 2_000)[("a", "b")] == 2
