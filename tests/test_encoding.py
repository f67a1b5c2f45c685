"""Text files are written and read as UTF-8, whatever the locale says."""

import ast
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parent.parent / "benchmark"
FILES = [*(BENCHMARK / "records").rglob("*.py"), *(BENCHMARK / "running").rglob("*.py")]
FILES += [BENCHMARK / "registry.py", BENCHMARK / "plugin_files.py", BENCHMARK / "files.py"]


def without_encoding(code):
    """Lines that open a text file, or decode a process's output, without saying how it is encoded."""
    lines = []
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        given = {keyword.arg for keyword in node.keywords}
        mode = node.args[1].value if len(node.args) > 1 and isinstance(node.args[1], ast.Constant) else ""
        texts = {"read_text": not node.args, "write_text": len(node.args) < 2, "open": "b" not in str(mode)}
        if (texts.get(name) and "encoding" not in given) or "text" in given & {"text", "universal_newlines"}:
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BENCHMARK)))
def test_every_text_file_is_opened_with_its_encoding(path):
    code = path.read_text(encoding="utf-8")
    lines = [n for n in without_encoding(code) if "os.open(" not in code.splitlines()[n - 1]]
    assert lines == []


def test_the_check_finds_what_it_looks_for():
    code = "open(p)\nopen(p, 'wb')\np.read_text()\np.write_text(t)\nrun(c, text=True)\n"
    assert without_encoding(code) == [1, 3, 4, 5]
    assert (
        without_encoding("open(p, encoding='utf-8')\np.read_text('utf-8')\np.write_text(t, 'utf-8')\n") == []
    )
