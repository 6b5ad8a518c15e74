"""The set-up by uv, as far as it needs no package: what uv is told, which uv is taken, and when pip has to do it."""

from __future__ import annotations

import io
import os
import sysconfig
from pathlib import Path

import pytest

from replicator.bootstrap import install

HERE = str(Path(__file__).parent)

#: What stands in pip's files, what in its variables, and what uv is told by them: options, variables.
TOLD = {
    "nothing": ("", {}, [], {}),
    "an index": ("", {"PIP_INDEX_URL": "https://mirror"}, [], {"UV_DEFAULT_INDEX": "https://mirror"}),
    "an index in a file": ("[global]\nindex-url = https://file", {}, [], {"UV_DEFAULT_INDEX": "https://file"}),
    "an index in both": (
        "[global]\nindex-url = https://file",
        {"PIP_INDEX_URL": "https://mirror"},
        [],
        {"UV_DEFAULT_INDEX": "https://mirror"},
    ),
    "an index for installing": (
        "[install]\nindex_url = https://install\n[global]\nindex_url = https://all",
        {},
        [],
        {"UV_DEFAULT_INDEX": "https://install"},
    ),
    "an empty variable": (
        "[global]\nindex-url = https://file",
        {"PIP_INDEX_URL": ""},
        [],
        {"UV_DEFAULT_INDEX": "https://file"},
    ),
    "more indexes": ("", {"PIP_EXTRA_INDEX_URL": "https://a https://b"}, [], {"UV_INDEX": "https://a https://b"}),
    "more indexes, a line each": (
        "[global]\nextra-index-url =\n  https://a\n  https://b",
        {},
        [],
        {"UV_INDEX": "https://a https://b"},
    ),
    "folders, one of them missing": (
        "",
        {"PIP_FIND_LINKS": f"{HERE} /nowhere/wheels https://user:secret@links"},
        [],
        {"UV_FIND_LINKS": f"{HERE},https://user:secret@links"},
    ),
    "no index": ("", {"PIP_NO_INDEX": "1"}, ["--no-index"], {}),
    "no index, refused": ("", {"PIP_NO_INDEX": "False"}, [], {}),
    "hosts": (
        "[global]\ntrusted-host = a b:8080",
        {},
        ["--allow-insecure-host", "a", "--allow-insecure-host", "b:8080"],
        {},
    ),
    "a proxy": ("", {"PIP_PROXY": "http://p:1"}, [], dict.fromkeys(install._VARIABLES["proxy"], "http://p:1")),
    "certificates": (
        "[global]\ncert = /file.pem",
        {"PIP_CLIENT_CERT": "/client.pem", "REQUESTS_CA_BUNDLE": "/bundle.pem"},
        [],
        {"SSL_CERT_FILE": "/file.pem", "SSL_CLIENT_CERT": "/client.pem"},
    ),
    "certificates for everybody": ("", {"CURL_CA_BUNDLE": "/bundle.pem"}, [], {"SSL_CERT_FILE": "/bundle.pem"}),
    "patience": (
        "",
        {"PIP_RETRIES": "0", "PIP_DEFAULT_TIMEOUT": "180"},
        [],
        {"UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "180"},
    ),
    "what is none of uv's business": (
        "[global]\nbreak-system-packages = true\n[list]\nindex-url = https://x",
        {},
        [],
        {},
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_uv_is_told_what_pip_would_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, variables, options, told = TOLD[name]
    config = tmp_path / "pip" / "pip.conf"
    config.parent.mkdir()
    config.write_text(file, "utf-8")
    # This machine's own files are none of the table.
    monkeypatch.setattr(install, "pips_files", lambda env: [config])
    pips = install.settings(variables)
    assert install.options(pips) == options
    always = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "true"}
    assert install.environment(variables, pips) == {**variables, **told, **always}


@pytest.mark.parametrize("where", ["XDG_CONFIG_DIRS", "APPDATA", "PROGRAMDATA", "XDG_CONFIG_HOME", "HOME"])
def test_pips_files_are_found(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path if where == "HOME" else "/nowhere"))
    files = install.pips_files({where: str(tmp_path)})
    assert tmp_path / (".pip" if where == "HOME" else "pip") / "pip.conf" in files
    assert Path("/etc/pip.conf") in files


#: What a uv on PATH does, and whether it is taken.
ON_PATH = {
    "echo uv 0.13.8 '(x86_64-unknown-linux-gnu)'": True,
    "echo uv 1.0.0": True,
    "echo uv 0.5.0": True,
    "echo uv 0.4.30": False,
    "echo version 9": False,
    "true": False,
    "echo uv 0.13.8; exit 1": False,
    "sleep 60 & wait": False,
}


@pytest.mark.parametrize("script", ON_PATH)
def test_a_uv_on_path_is_taken_if_it_works(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "uv"
    program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(install, "PATIENCE", 0.3 if "sleep" in script else 10)
    assert install.on_path(tmp_path) == (str(program) if ON_PATH[script] else None)


def test_a_uv_that_does_not_start_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uv").write_bytes(b"\x7fELF")
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install.on_path(tmp_path) is None


def test_a_python_without_pip_has_the_one_for_its_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "find_spec", lambda name: None)
    (wheel,) = install.pip()
    assert Path(wheel).parent.is_file()
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: None)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: "/nowhere")
    with pytest.raises(install.GiveUp, match="no pip"):
        install.pip()


class TestGivesUp:
    """In one line, and with the exit code that makes setup.sh take pip."""

    def told(self, env: dict[str, str], tmp_path: Path) -> str:
        stdout = io.StringIO()
        (tmp_path / "bin").mkdir()
        lock = tmp_path / "lock.txt"
        lock.write_text("uv==0.0.1 \\\n    --hash=sha256:" + "0" * 64, "utf-8")
        code = install.main([str(tmp_path / "bin" / "python"), str(lock), str(lock)], env, stdout)
        assert code == 1
        assert {path.name for path in tmp_path.iterdir()} <= {"bin", "lock.txt", "pip", "uv"}
        line = stdout.getvalue()
        assert line.startswith("Installing with pip, which takes longer, because uv can't: ")
        assert line.count("\n") == 1
        return line

    def uv(self, script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A machine's uv that says its version, and then does something else."""
        program = tmp_path / "uv"
        program.write_text(f'#!/bin/sh\n[ "$1" != --version ] || exec echo uv 0.13.8\n{script}\n', "utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    @pytest.mark.parametrize(
        ("script", "says"),
        [
            ("echo one; echo '  two'; exit 2", ": one two"),
            ("exit 7", ": it ended with 7"),
            ("kill -SEGV $$", ": it ended with -11"),
            ("exit 0", ": it reported success, but uv can't be found"),
            ("echo no answer of https://user:swordfish@mirror/simple; exit 2", " of https://(secret)@mirror/simple"),
            ("sleep 60 & wait", "/uv did not end within 0.5 seconds"),
            ("sleep 60 & echo over; exit 2", ": over"),
        ],
    )
    def test_where_uv_fails(self, script: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(install, "LONGEST", 0.5 if "wait" in script else 300)
        self.uv(script, tmp_path, monkeypatch)
        assert self.told({}, tmp_path).endswith(f"{says}\n")

    def test_where_uv_cannot_be_had(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        assert "uv==0.0.1" in self.told({}, tmp_path)

    def test_where_pips_file_is_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "pip").mkdir()
        (tmp_path / "pip" / "pip.conf").write_text("index-url", "utf-8")
        monkeypatch.setattr(install, "on_path", lambda folder: "/nowhere/uv")
        assert "no section headers" in self.told({"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path)
