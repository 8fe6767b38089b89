from __future__ import annotations

import os
from pathlib import Path

from tests.compose.local_images.hashing import HASH_DIGITS, SourceFile, content_hash, read_tree

FILES = {"a.py": SourceFile(b"a"), "b.sh": SourceFile(b"b", executable=True)}


def test_equal_inputs_have_equal_hashes() -> None:
    reordered = dict(reversed(FILES.items()))
    assert content_hash(["x"], FILES) == content_hash(["x"], reordered)
    assert len(content_hash([], {})) == HASH_DIGITS


def test_each_part_name_content_and_mode_counts() -> None:
    hashes = {
        content_hash(["x"], FILES),
        content_hash(["y"], FILES),
        content_hash(["x", ""], FILES),
        content_hash(["x"], {**FILES, "c": SourceFile(b"")}),
        content_hash(["x"], {**FILES, "a.py": SourceFile(b"other")}),
        content_hash(["x"], {**FILES, "a.py": SourceFile(b"a", executable=True)}),
        content_hash(["x"], {"z.py": FILES["a.py"], "b.sh": FILES["b.sh"]}),
    }
    assert len(hashes) == 7


def test_pieces_do_not_run_together() -> None:
    assert content_hash(["ab", "c"], {}) != content_hash(["a", "bc"], {})


def test_a_tree_is_read_without_bytecode_and_without_times(tmp_path: Path) -> None:
    (tmp_path / "package" / "__pycache__").mkdir(parents=True)
    (tmp_path / "package" / "__pycache__" / "m.cpython-311.pyc").write_bytes(b"compiled")
    (tmp_path / "package" / "m.py").write_text("m")
    (tmp_path / "run.sh").write_text("run")
    (tmp_path / "run.sh").chmod(0o755)

    first = read_tree(tmp_path, under="src")
    os.utime(tmp_path / "run.sh", (0, 0))

    assert first == {
        "src/package/m.py": SourceFile(b"m"),
        "src/run.sh": SourceFile(b"run", executable=True),
    }
    assert read_tree(tmp_path, under="src") == first
    assert set(read_tree(tmp_path)) == {"package/m.py", "run.sh"}
