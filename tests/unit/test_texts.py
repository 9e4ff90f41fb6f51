"""The texts of a benchmark's pair: prose without code, code without comments, and no module on both sides."""

import ast

import code_texts as texts


def test_the_same_texts_each_time_of_the_length_asked_for() -> None:
    first = texts.standard_library_texts(20_000, 5_000)
    assert first == texts.standard_library_texts(20_000, 5_000)
    assert {name: len(text) for name, text in first.items()} == {
        "prose_train": 20_000,
        "prose_test": 5_000,
        "code_train": 20_000,
        "code_test": 5_000,
    }


def test_prose_is_docstrings_and_code_is_the_rest() -> None:
    source = '"""About.\n\nMore."""\nx = 1  # note\n\n\ndef f():\n    """>>> f()"""\n'
    assert texts._prose(ast.parse(source)) == "About.\n\nMore."
    assert texts._code(ast.parse(source)) == "x = 1\n\ndef f():\n    pass"


def test_code_parses_and_holds_no_docstring() -> None:
    for _, path in texts._modules()[:20]:
        tree = ast.parse(texts._code(ast.parse(path.read_bytes())))
        documented = [node for node in ast.walk(tree) if isinstance(node, texts.Documented)]
        assert not any(ast.get_docstring(node) for node in documented)


def test_testing_modules_are_apart_from_training_modules() -> None:
    parts = texts.standard_library_texts(200_000, 20_000)
    paragraphs = {name: set(text.split("\n\n")) for name, text in parts.items()}
    long_ones = {text for text in paragraphs["code_test"] if len(text) > 300}
    assert long_ones
    assert not long_ones & paragraphs["code_train"]
