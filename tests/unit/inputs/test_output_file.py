from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.inputs import output_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none/x.env", "isn't a folder, so no file can be written there"),
        ("", "is a folder; name a file in it"),
        ("new/", "is a folder; name a file in it"),
        ("a\nb", "holds a line end or another control character"),
    ],
)
def test_a_path_that_takes_no_file(tmp_path: Path, name: str, said: str) -> None:
    [problem] = output_file.problems({"output": "", "dotenv": f"{tmp_path}/{name}"})
    assert problem.input == "dotenv"
    assert said in str(problem)


def test_one_file_has_one_content(tmp_path: Path) -> None:
    here = f"{tmp_path}/image.env"
    [problem] = output_file.problems({"output": here, "dotenv": f"{tmp_path}/./image.env"})
    assert "is the file that output names, too" in str(problem)
    assert not output_file.problems({"output": here, "dotenv": f"{here}2"})
    assert not output_file.problems({"output": "", "dotenv": ""})
